"""A fault: a text of one file of the package, which is there once, and what stands there instead."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
      name: what is wrong, in words.
      file: of the package.
      text: of the file.
      replacement: of the text.
      tests: any of which has to fail, in the folder of tests.
    """

    name: str
    file: str
    text: str
    replacement: str
    tests: tuple[str, ...]


def planted(fault: Fault, source: str) -> str:
    """The source of the file with the fault in it.

    Raises:
      ValueError: the text isn't there, or more than once.
    """
    if (count := source.count(fault.text)) != 1:
        raise ValueError(f"{fault.name}: the text is {count} times in {fault.file}, bring the fault up to date: {fault.text}")
    return source.replace(fault.text, fault.replacement)


def faults(file: str, test: str, *found: tuple[str, str, str]) -> list[Fault]:
    """Faults (name, text, replacement) of one file that one test has to catch, or one of several (a | b)."""
    return [Fault(name, file, text, new, tuple(test.split(" | "))) for name, text, new in found]
