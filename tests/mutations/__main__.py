"""Plants single faults, one after the other, and tells which of them their tests catch.

    python tests/mutations                 all faults
    python tests/mutations along ρ         those with one of these words in the name or the file

Each fault of `faults` is planted in a temporary copy of the tree, where only the tests that are named with it are run; all of these
have to pass there first. The list is made by hand: what matters is where a gradient is taken, on which graph, of which data, and
what a file may hold. Tools that exchange operators (mutmut, cosmic-ray) don't plant that, and each of their thousands of exchanges
would compile everything anew. It takes a quarter of a minute a fault: it is run when tests or the step change, and not in CI.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from faults import FAULTS, Fault, planted

ROOT = Path(__file__).parents[2]
# What pytest ends with where all tests passed, and where some failed; anything else is no answer.
PASSED, FAILED = 0, 1
# A program that can't run is caught by anything.
NO_FAULTS = ("NameError", "TypeError", "AttributeError", "ImportError")


class Copy:
    """A copy of the package and its tests, and what was compiled for it."""

    def __init__(self, folder: Path) -> None:
        self.tree = folder / "tree"
        for part in ("ifru_jax", "tests", "experiments"):
            shutil.copytree(ROOT / part, self.tree / part, ignore=shutil.ignore_patterns("__pycache__", "results"))
        shutil.copy(ROOT / "pyproject.toml", self.tree)
        self.environment = os.environ | {
            "PYTHONPATH": str(self.tree),  # and not a package that is installed
            "PYTHONDONTWRITEBYTECODE": "1",
            "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }

    def run(self, tests: Iterable[str]) -> tuple[int, str]:
        """Pytest's exit code and what it says."""
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-rsfE", "--tb=line", "--no-header", "-p", "no:cacheprovider"]
        command += [f"tests/{test}" for test in tests]
        done = subprocess.run(command, cwd=self.tree, env=self.environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def caught_by(self, fault: Fault) -> str | None:
        """The first test that failed, or None: the fault survived."""
        path = self.tree / "ifru_jax" / fault.file
        sound = path.read_text()
        try:
            path.write_text(planted(fault, sound))
            code, output = self.run(fault.tests)
        finally:
            path.write_text(sound)
        if code not in (PASSED, FAILED):
            raise SystemExit(f"{fault.name}: pytest ended with {code}, so nothing can be said of it.\n{output[-3000:]}")
        if code == PASSED:
            return None
        failed = next(line for line in output.splitlines() if line.startswith(("FAILED ", "ERROR ")))
        if any(error in failed for error in NO_FAULTS):
            raise SystemExit(f"{fault.name}: that is no program, so nothing can be said of it.\n{failed}")
        return failed.partition("::")[2].partition(" - ")[0]


def main(words: list[str]) -> int:
    """Prints a table; returns how many faults survived."""
    chosen = [fault for fault in FAULTS if not words or any(word in f"{fault.name} {fault.file}" for word in words)]
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(Path(folder))
        code, output = copy.run(dict.fromkeys(test for fault in chosen for test in fault.tests))
        if code != PASSED or "\nSKIPPED" in output:
            raise SystemExit(f"tests have to pass before a fault is planted, and none may be skipped.\n{output[-3000:]}")
        print("| fault | file | caught by |\n| --- | --- | --- |", flush=True)
        survived = 0
        for fault in chosen:
            found = copy.caught_by(fault)
            survived += found is None
            name = fault.name.replace("|", r"\|")
            print(f"| {name} | {fault.file} | {found or '**survived**'} |", flush=True)
    print(f"\n{len(chosen) - survived} of {len(chosen)} faults are caught.")
    return survived


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
