"""The database of a store: SQLite in WAL mode, every commit flushed to disk, what was deleted overwritten.

Tables: `facts` (name, value), `journal` (lines that are never changed), `states` (which model files count), `tags` (an index of the
journal's), `exports` (files that were written elsewhere). A connection lives as long as one transaction: no reader keeps a writer
from its work, and a process that dies leaves none open.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ifru_jax.errors import DataError

FORMAT, OLDEST = 2, 1  # that this version writes, and the oldest that `migration` brings to it
NAME = "store.sqlite"
_SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE journal (number INTEGER PRIMARY KEY, line TEXT NOT NULL, digest TEXT NOT NULL, seal TEXT);
CREATE TRIGGER lines_stay BEFORE DELETE ON journal BEGIN SELECT RAISE(ABORT, 'lines of the journal stay'); END;
CREATE TRIGGER lines_stay_as_they_are BEFORE UPDATE ON journal BEGIN SELECT RAISE(ABORT, 'lines of the journal stay'); END;
CREATE TABLE states (
  name TEXT PRIMARY KEY, digest TEXT NOT NULL, role TEXT NOT NULL CHECK (role IN ('current', 'sealed', 'basis')),
  until REAL, undoes INTEGER REFERENCES journal (number), basis TEXT
);
CREATE UNIQUE INDEX one_is_current ON states (role) WHERE role = 'current';
CREATE TABLE tags (tag TEXT NOT NULL, number INTEGER NOT NULL REFERENCES journal (number));
CREATE INDEX tags_by_tag ON tags (tag);
CREATE TABLE exports (path TEXT NOT NULL, number INTEGER NOT NULL REFERENCES journal (number));
"""


def create(folder: Path) -> None:
    """Makes an empty database.

    Raises:
      DataError: there is one.
    """
    if (folder / NAME).exists():
        raise DataError(f"{folder} is a store already: open it, or give another folder.")
    with _connected(folder, new=True) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        # One transaction: a database without its format is none.
        connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {FORMAT}; COMMIT;")


@contextmanager
def reading(folder: Path, *, older: bool = False) -> Iterator[sqlite3.Connection]:
    """A view of one moment; an `older` store only where that is said.

    Raises:
      DataError: the folder is no store, one of another version, or damaged.
    """
    with _checked(folder, older=older) as connection:
        connection.execute("BEGIN")
        yield connection
        connection.execute("ROLLBACK")


@contextmanager
def writing(folder: Path, *, older: bool = False) -> Iterator[sqlite3.Connection]:
    """One transaction: all of it is on the disk when the block ends, or nothing. `older` and errors as in `reading`."""
    with _checked(folder, older=older) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.rollback()
            raise
        connection.execute("COMMIT")


def format_of(connection: sqlite3.Connection) -> int:
    """The version of the format that a store was written in; 0 for a database that is none."""
    return connection.execute("PRAGMA user_version").fetchone()[0]


@contextmanager
def _checked(folder: Path, *, older: bool) -> Iterator[sqlite3.Connection]:
    if not (folder / NAME).is_file():
        raise DataError(f"{folder} is no store: make one with Store.create, or with `ifru train DATA --store {folder}`.")
    with _connected(folder) as connection:
        written = format_of(connection)
        if written == 0:
            raise DataError(f"{folder} is no store, or its creation was cut off: delete the folder and create it anew.")
        if written > FORMAT:
            raise DataError(f"{folder} is a store of format {written}, this version reads {FORMAT}: upgrade ifru_jax.")
        if written < (OLDEST if older else FORMAT):
            remedy = f"`ifru migrate {folder}`, or Store.open for writing, brings it to this one and loses nothing"
            raise DataError(f"{folder} is a store of format {written}, this version reads {FORMAT}: {remedy}.")
        yield connection


@contextmanager
def _connected(folder: Path, *, new: bool = False) -> Iterator[sqlite3.Connection]:
    try:
        mode = "rwc" if new else "rw"
        uri = f"{(folder / NAME).resolve().as_uri()}?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=30)
        try:
            for pragma in ("synchronous = FULL", "secure_delete = ON", "foreign_keys = ON"):
                connection.execute(f"PRAGMA {pragma}")
            yield connection
        finally:
            connection.close()
    except sqlite3.OperationalError as error:
        raise DataError(f"{folder / NAME}: {error}: look whether the disk is full, and who may write there.") from error
    except sqlite3.DatabaseError as error:
        raise DataError(f"{folder / NAME} is damaged or something else ({error}): bring it back from a copy.") from error
