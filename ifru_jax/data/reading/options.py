"""How a table is to be read: one set of options for interactions and requests, for files, frames and commands.

>>> Reading(columns=("user", "item", None, "timestamp"), separator="::").names()
['user', 'item', '', 'timestamp']
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict, Unpack

from ifru_jax.errors import DataError

Format = Literal["csv", "tsv", "inter", "text", "adjacency", "jsonl", "parquet"]
Duplicates = Literal["latest", "last"]

# Texts that stand for a missing cell, as the empty one does, in any case and with blanks around them.
MISSING = ("null", "na", "n/a", "#n/a", "nan", "<na>", "none", "nat", "\\n")


class FrameOptions(TypedDict, total=False):
    """Those of `ReadOptions` that can be said of a frame."""

    user: str
    item: str
    rating: str | None
    timestamp: str | None
    unrated: float | None
    decimal: Literal[".", ","]
    missing: tuple[str, ...]
    duplicates: Duplicates


class ReadOptions(FrameOptions, total=False):
    """What can be said of a file.

    Attributes:
      user: name of the column; "user", the default, stands for all known names, such as userId, uid, reviewerID or customer_id.
      item: the same; "item" stands for movieId, asin, ISBN, business_id and others as well.
      rating: the same (rating, stars, label, weight, overall, val, …); None ignores ratings, and every label is 1.
      timestamp: the same (timestamp, time, date, unixReviewTime, …); None ignores times.
      unrated: rows with this rating, such as 0, are dropped.
      decimal: what stands before the fraction of a number in text, "." or ",".
      missing: texts that stand for a missing cell, in any case.
      duplicates: which of several rows of a user with an item stays: "latest", the one with the latest time where there are
        times and the last one else, or "last".
      columns: names of the columns of a file without a header, None for one that is to be ignored.
      format: of the file, where its name doesn't say: csv, tsv, inter (RecBole), text (the separator is found), adjacency (a
        user and the user's items per line), jsonl or parquet.
      separator: of the cells of a line, one or more characters; a blank stands for any number of blanks.
      encoding: of a text file, such as latin-1; by default UTF-8, or UTF-16 where its first bytes say so.
    """

    columns: tuple[str | None, ...] | None
    format: Format | None
    separator: str | None
    encoding: str | None


@dataclass(frozen=True)
class Reading:
    """The options of `ReadOptions` with their defaults.

    Raises:
      DataError: a value that is none of these.
    """

    user: str = "user"
    item: str = "item"
    rating: str | None = "rating"
    timestamp: str | None = "timestamp"
    unrated: float | None = None
    decimal: Literal[".", ","] = "."
    missing: tuple[str, ...] = MISSING
    duplicates: Duplicates = "latest"
    columns: tuple[str | None, ...] | None = None
    format: Format | None = None
    separator: str | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        for name, choices in {"decimal": (".", ","), "duplicates": Duplicates.__args__, "format": (None, *Format.__args__)}.items():
            value = vars(self)[name]
            if value not in choices:
                raise DataError(f"{name} is {value!r}: give one of {', '.join(str(choice) for choice in choices)}.")
        if self.separator is not None and (not self.separator or set(self.separator) & set('"\r\n')):
            raise DataError(f"separator is {self.separator!r}: give one or more characters, no quotes or line ends.")
        for name in ("missing", "columns"):
            if isinstance(vars(self)[name], str):
                raise DataError(f"{name} is {vars(self)[name]!r}: give a tuple of texts.")

    def names(self) -> list[str] | None:
        """The names given by `columns`, "" for one that is to be ignored."""
        return None if self.columns is None else [name or "" for name in self.columns]


def frame_reading(**options: Unpack[FrameOptions]) -> Reading:
    """The options of a table that is none of a file.

    Raises:
      DataError: an option that is for files.
    """
    of_files = sorted(options.keys() - FrameOptions.__annotations__.keys())
    if of_files:
        raise DataError(f"{listed(of_files)} is for files: a frame has its columns already.")
    return Reading(**options)


def folded(name: str) -> str:
    """A name of a column without case, blanks and the signs between its words: userId, user_id and User-ID are the same."""
    return "".join(sign for sign in name.lower() if sign not in " _-.")


def listed(names: Sequence[str]) -> str:
    """Names for a message, in quotes."""
    return ", ".join(repr(name) for name in names)
