"""Which column is what: by the names that the field gives them, or as the caller says.

>>> find_columns(["userId", "movieId", "stars"], Reading()).rating
2
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ifru_jax.data.reading.options import Reading, folded, listed
from ifru_jax.errors import DataError

# As `folded` writes them. The first ones are taken before any other; among the others none is preferred.
KNOWN = {
    "user": (
        ("user",), ("userid",),
        ("uid", "username", "reviewerid", "customer", "customerid", "visitor", "visitorid", "member", "memberid", "profileid",
         "account", "accountid", "buyerid", "authorid", "usersha1", "msno"),
    ),
    "item": (
        ("item",), ("itemid",),
        ("iid", "movie", "movieid", "asin", "isbn", "book", "bookid", "business", "businessid", "product", "productid", "gmapid",
         "song", "songid", "track", "trackid", "artist", "artistid", "video", "videoid", "game", "gameid", "appid", "anime",
         "animeid", "recipe", "recipeid", "article", "articleid", "newsid", "poi", "poiid", "venueid", "locationid", "courseid",
         "jokeid", "beerid", "sku", "stockcode"),
    ),
    "rating": (
        ("rating",), ("ratings",),
        ("star", "stars", "starrating", "label", "weight", "overall", "reviewoverall", "val", "value", "score", "reviewscore",
         "bookrating", "moviescore", "rate", "playcount", "plays"),
    ),
    "timestamp": (
        ("timestamp",), ("time",),
        ("timestamps", "ts", "date", "datetime", "unixtime", "unixreviewtime", "unixtimestamp", "createdat", "reviewdate",
         "ratingdate", "dateadded", "eventtime", "reviewtimestamp", "timestampms"),
    ),
}  # fmt: skip
# Columns that say of which kind an interaction is.
KINDS = {"behavior", "behaviour", "behaviortype", "event", "eventtype", "action", "actiontype", "interactiontype", "feedbacktype"}


@dataclass(frozen=True)
class Columns:
    """Places of the columns in a table; None for one that isn't there.

    Attributes:
      user, item, rating, timestamp: see `Reading`.
      left: places of the others.
    """

    user: int | None
    item: int | None
    rating: int | None
    timestamp: int | None
    left: tuple[int, ...]


def find_columns(names: Sequence[str], reading: Reading) -> Columns:
    """Where each column is.

    Raises:
      DataError: a column that the caller named isn't there, several answer to a name, or one is to be two of them.
    """
    found = {kind: find_column(names, kind, vars(reading)[kind]) for kind in KNOWN}
    for kind, place in found.items():
        also = [other for other, there in found.items() if other != kind and there == place]
        if place is not None and also:
            raise DataError(
                f"the column {names[place]!r} is to be the {kind} and the {also[0]}: a column is one of them; choose another by "
                f"{also[0]}=."
            )
    left = tuple(place for place in range(len(names)) if place not in found.values())
    return Columns(**found, left=left)


def find_column(names: Sequence[str], kind: str, wanted: str | None) -> int | None:
    """The place of the column that is called `wanted`, or by one of the known names where `wanted` is the kind itself.

    A column answers to its name in any case, with `_`, `-` and blanks or without, and with `id` behind it or without.

    Raises:
      DataError: as `find_columns`.
    """
    if wanted is None:
        return None
    wanted = str(wanted)  # pandas has numbers for names, too
    short = [folded(name) for name in names]
    levels: list[list[int]] = [[place for place, name in enumerate(names) if name == wanted]]
    called = (folded(wanted),), (f"{folded(wanted)}id",)
    known = KNOWN.get(kind, called) if wanted == kind else called
    levels += [[place for place, name in enumerate(short) if name in group] for group in known]
    for places in filter(None, levels):
        if len(places) > 1:
            raise DataError(
                f"several columns may be the {kind}: {listed([names[place] for place in places])}; "
                f"choose one by {kind}=, or rename all but one where they have one name."
            )
        return places[0]
    if wanted != kind:
        raise DataError(f"there is no column {wanted!r} among {listed(names)}: name one of these by {kind}=.")
    return None


def missing_column(names: Sequence[str], kind: str, *, text: bool) -> DataError:
    """The error for a table without a user or an item, of a text file or of anything else."""
    of_text = (
        'for a file without names in its first line give columns=("user", "item", "rating", "timestamp"), and separator= if the '
        "columns were not split"
    )
    remedy = of_text if text else "the index of a pandas frame is no column, but frame.reset_index() makes it one"
    return DataError(f"no column of {listed(names)} is known to be the {kind}: name it by {kind}=; {remedy}.")


def rating_names(names: Sequence[str]) -> list[str]:
    """Those of the names that are known for ratings."""
    return [name for name in names if is_known(name, "rating")]


def are_names(cells: Sequence[str]) -> bool:
    """Whether the cells of a line name a user or an item rather than being of one."""
    return any(is_known(cell, kind) for cell in cells for kind in ("user", "item"))


def is_known(name: str, kind: str) -> bool:
    """Whether columns of this kind have this name, without an argument."""
    return any(folded(name) in group for group in KNOWN[kind])
