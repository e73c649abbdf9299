"""Is the record as it was written? The chain of its lines, their seals, the index of tags, and the files that they describe."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ifru_jax.errors import DataError
from ifru_jax.store import commit, database, journal, moments, states
from ifru_jax.store.key import Key


@dataclass(frozen=True)
class Verdict:
    """The answer of `verify_record`.

    Attributes:
      holds: whether nothing was changed, as far as can be told.
      lines: how many there are.
      first_changed: number of the first line that is not as it was written; None where all are.
      why: what was found.
      head: digest of the last line. Noted elsewhere, it shows later that no line was cut off.
      sealed: whether the seals were looked at, which takes the key. Without them somebody who wrote all lines anew isn't noticed.
    """

    holds: bool
    lines: int
    first_changed: int | None
    why: str
    head: str
    sealed: bool

    def as_dict(self) -> dict[str, Any]:
        """The same in types of JSON."""
        return dict(vars(self))


def verify_record(store: str | Path, *, key: str | Path | None = None, head: str | None = None) -> Verdict:
    """Checks the record of a store against itself and against the files; changes nothing.

    Args:
      store: the folder.
      key: the operator's key file.
      head: the digest of the last line, as it was noted earlier.

    Raises:
      DataError: no store, or no such key.
    """
    folder = Path(store)
    return check_record(folder, None if key is None else Key.read(key, folder), head=head)


def check_record(folder: Path, secret: Key | None, *, head: str | None = None) -> Verdict:
    """`verify_record` with a key that was read already."""
    with database.reading(folder) as connection:
        facts = dict(connection.execute("SELECT name, value FROM facts"))
        check_key(secret, facts)
        lines = list(journal.lines(connection))
        first, why = _first_changed(lines, secret, sealed="key" in facts)
        last = lines[-1].digest if lines else journal.BEGINNING
        if first is None:
            why = _wrong_index(connection, lines) or _wrong_files(folder, connection, lines)
        if not why and head is not None and head not in {line.digest for line in lines}:
            why = f"no line has the digest {head}: lines were cut off or written anew since it was noted"
    return Verdict(not why, len(lines), first, why or "every line is as it was written", last, secret is not None)


def check_key(key: Key | None, facts: dict[str, str]) -> None:
    """Refuses a key that the store was not created with.

    Raises:
      DataError: another key, or one for a store without.
    """
    if key is None:
        return
    if "key" not in facts:
        raise DataError("the store was created without a key, so it has no tags: open it without one.")
    if key.check(facts["store"]) != facts["key"]:
        raise DataError("this is not the key that the store was created with: give the key file of then.")


def _first_changed(lines: list[journal.Line], key: Key | None, *, sealed: bool) -> tuple[int | None, str]:
    previous = journal.BEGINNING
    for place, line in enumerate(lines, start=1):
        if line.number != place:
            return place, f"line {place} is missing"
        if journal.digest_of(line.text) != line.digest:
            return place, f"line {place} is not the one that its digest was taken of"
        content = line.content
        if content["previous"] != previous or content["number"] != place:
            return place, f"line {place} does not follow the one before it: it, or one before it, was written anew"
        if sealed and line.seal is None:
            return place, f"line {place} has no seal"
        if key is not None and line.seal != key.seal(line.digest):
            return place, f"line {place} was not sealed with this key"
        previous = line.digest
    return None, ""


def _wrong_index(connection: Any, lines: list[journal.Line]) -> str:
    contents = [line.content for line in lines]
    undone = {content["undoes"] for content in contents if content["kind"] == "undo"}
    expected = set()
    for content in contents:
        if content["number"] not in undone:
            tags = content.get("tags", {})
            expected |= {(tag, content["number"]) for name in ("erased", "along") for tag in tags.get(name, [])}
    found = set(connection.execute("SELECT tag, number FROM tags"))
    differ = len(expected ^ found)
    return f"the index differs from the lines in {differ} tags" if differ else ""


def _wrong_files(folder: Path, connection: Any, lines: list[journal.Line]) -> str:
    now = commit.current(connection)
    if not lines or lines[-1].content["after"] != now.digest:
        return "the last line is not of the state that counts: lines were cut off, or the state was exchanged"
    before = {content["number"]: content["before"] for content in (line.content for line in lines) if "before" in content}
    for kept in commit.sealed(connection):
        if kept.until is not None and kept.until <= moments.now():
            continue  # about to be destroyed, by a writer that may have begun
        if before.get(kept.undoes) != kept.digest or states.digest_of(folder, kept.name) != kept.digest:
            return f"the sealed state before line {kept.undoes} is not the one that the line names"
    for name, digest in connection.execute("SELECT name, digest FROM states WHERE role = 'basis'").fetchall():
        if states.digest_of(folder, name) != digest:
            return "the files of the state that is to be settled from are not those that were written"
    if states.digest_of(folder, now.name) != now.digest:
        return "the files of the current state are not those that the last line names"
    return ""
