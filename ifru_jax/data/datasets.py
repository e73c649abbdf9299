"""Data sets by name or path, and the split that experiments use.

movielens-small comes with a package. The others are `NAME.csv.gz` in the folder that the variable IFRU_JAX_DATA names
(`NAME-train.csv.gz` and `NAME-test.csv.gz` for a published split); MovieLens and Gowalla are downloaded when they
aren't there.

>>> protocol_split(load_dataset("movielens-small"))
Split(train=54,043, valid=17,978, test=17,999 interactions of 671 users with 3,487 items)
  left out: 9,932 interactions with 5,570 items not in the 5-core; 52 interactions with 9 items not in train
"""

import difflib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Unpack

import numpy as np

from ifru_jax.data.bundled import movielens_small
from ifru_jax.data.download import SOURCES, fetch, where_to_put
from ifru_jax.data.filters import Dropped, k_core
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.labels import check_both_kinds, check_threshold, labels_above
from ifru_jax.data.negatives import sample_negatives
from ifru_jax.data.notes import tell
from ifru_jax.data.readers import read_interactions
from ifru_jax.data.reading.formats import is_file_name
from ifru_jax.data.reading.options import ReadOptions
from ifru_jax.data.splits import Split, given_split, random_split
from ifru_jax.errors import DataError, check_kind

DATA_VARIABLE = "IFRU_JAX_DATA"

# Ratings above these are positive: the thresholds of the IFRU paper. None: implicit data.
LABEL_ABOVE: dict[str, float | None] = {
    "movielens-small": 3.0,
    "ml-100k": 3.0,
    "ml-1m": 3.0,
    "bookcrossing": 5.0,
    "amazon": 4.0,
    "gowalla": None,
}

# A smaller share of positives, or of negatives, is rather a wrong threshold than a taste.
_FEWEST = 0.01


@dataclass(frozen=True, eq=False)
class Dataset:
    """Interactions with what is known about them.

    Attributes:
      name: for reports.
      interactions: all of them, with ratings as labels; the train interactions where `given_test` is set.
      label_above: ratings above it are positive; None for implicit data, where every interaction is.
      given_test: the test interactions of a published split, with a numbering of their own, or None.
      stable: whether it is split so that every interaction stays where it is when others go. False for the data sets by name, whose
        committed results were drawn before.
    """

    name: str
    interactions: Interactions
    label_above: float | None = None
    given_test: Interactions | None = None
    stable: bool = True


def load_dataset(name_or_path: str | Path, *, base_url: str | None = None, **options: Unpack[ReadOptions]) -> Dataset:
    """A data set by its name, or from a file or folder that `read_interactions` understands.

    Names are those of LABEL_ABOVE and of the files in the folder IFRU_JAX_DATA. A data set without a threshold in
    LABEL_ABOVE, and any file given by its path, gets the middle of its scale (3 for one to five stars, .5 for labels 0
    and 1), or None when all its ratings are the same.

    Args:
      name_or_path: a name, or the path of a file or folder.
      base_url: folder to download from instead of the publisher's; by default the variable IFRU_JAX_BASE_URL.
      options: how the file is read; those of `read_interactions`.

    Raises:
      DataError: an unknown name (with the nearest known one), a missing folder or file, a failed download, or anything
        that `read_interactions` refuses.
    """
    name = str(name_or_path)
    if name == "movielens-small":
        if options:
            raise DataError(f"{', '.join(options)} is about files, and movielens-small is none: leave it out.")
        return Dataset(name, movielens_small(), LABEL_ABOVE[name], stable=False)
    # A file that is there needs no folder of data sets.
    files = [] if Path(name).is_file() else _files(name, base_url)
    if not files and (is_file_name(name) or os.sep in name or Path(name).exists()):
        files, name = [Path(name)], Path(name).name.partition(".")[0]
    elif not files:
        raise _not_found(name)
    parts = [read_interactions(path, **options) for path in files]
    by_name = str(name_or_path) in LABEL_ABOVE
    above = LABEL_ABOVE[name] if by_name else _middle_of_scale(parts[0])
    return Dataset(name, parts[0], above, given_test=parts[1] if len(parts) > 1 else None, stable=not by_name)


def protocol_split(dataset: Dataset | Interactions, *, label_above: float | None = None, k: int = 5, seed: int = 0) -> Split:
    """The split of the IFRU paper with labels 0 and 1: k-core, 60/20/20 at random, positive above the threshold.

    Own data is split by its ids (`random_split`): an interaction stays where it is when others go, unless it leaves the k-core.
    Implicit data gets one sampled negative for each positive. A published split keeps its test interactions and skips
    the k-core; a tenth of its train interactions becomes valid.

    Args:
      dataset: from `load_dataset`, or plain interactions, which are split at the middle of their scale.
      label_above: instead of the threshold of the data set.
      k: fewest interactions of a user or an item.
      seed: of the split and of the negatives.

    Returns:
      The split; what the k-core and the split left out is counted in its `dropped`.

    Raises:
      DataError: a threshold that is no finite number or leaves train with one kind of label, ratings that are not above 0 where
        there is no threshold, or an empty k-core.

    Warns:
      DataWarning: fewer than 1 % of the train interactions are positive, or more than 99 %.
    """
    check_kind("dataset", dataset, (Dataset, Interactions), "read it first: load_dataset(name or path), read_interactions(path)")
    if isinstance(dataset, Interactions):
        dataset = Dataset("interactions", dataset, _middle_of_scale(dataset))
    above = dataset.label_above if label_above is None else label_above
    if above is not None:
        check_threshold(above)
    if dataset.given_test is None:
        core = k_core(dataset.interactions, k)
        split = random_split(core, seed=seed, stable=dataset.stable)
        left_out = Dropped.between(dataset.interactions, core, f"in the {k}-core")
        split = replace(split, dropped=(*left_out, *split.dropped))
    else:
        split = given_split(dataset.interactions, dataset.given_test, valid_share=0.1, seed=seed, stable=dataset.stable)
    if above is None:
        _check_positive(split, dataset.name)
        return sample_negatives(_labelled(split, 0), seed=seed, stable=dataset.stable)
    labelled, ratings = _labelled(split, above), split.train.labels
    positives = int(np.count_nonzero(labelled.train.labels))
    scale = float(ratings.min()), float(ratings.max())
    check_both_kinds(above, (len(ratings) - positives, positives), scale, dataset.name)
    share = positives / len(ratings)
    if not _FEWEST <= share <= 1 - _FEWEST:
        tell(
            f"{share:.2%} of the train interactions of {dataset.name} are positive, those above {above:g}: choose "
            "another threshold by label_above=; counts, such as plays, have theirs far below the middle of their scale."
        )
    return labelled


def _labelled(split: Split, above: float) -> Split:
    """The split with labels in place of ratings; valid and test are parts, and may have one kind of them alone."""
    return split.of_parts(lambda part: part.with_labels(labels_above(part.labels, above)))


def _check_positive(split: Split, name: str) -> None:
    """Refuses ratings that are no positives, where every interaction is to be one (DataError)."""
    ratings = np.concatenate([part.labels for part in split.parts])
    low, high = ratings.min(), ratings.max()
    if low <= 0:
        raise DataError(
            f"the ratings of {name} go from {low:g} to {high:g}, and without a threshold every interaction is a positive, with a "
            f"rating above 0: give label_above=, or read the file with unrated={low:g}, which drops these, or with rating=None."
        )


def _middle_of_scale(data: Interactions) -> float | None:
    low, high = float(data.labels.min()), float(data.labels.max())
    return None if low == high else (low + high) / 2


def _files(name: str, base_url: str | None) -> list[Path]:
    """One file, or train and test; from the folder, else downloaded; none where neither has them."""
    forms = [name], [f"{name}-train", f"{name}-test"]
    if value := os.environ.get(DATA_VARIABLE):
        folder = Path(value).expanduser()
        if not folder.is_dir():
            raise DataError(f"{DATA_VARIABLE} is {value}, which is no folder: set it to the folder with the data sets.")
        for stems in forms:
            paths = [folder / f"{stem}.csv.gz" for stem in stems]
            if all(path.is_file() for path in paths):
                return paths
    for stems in forms:
        if all(stem in SOURCES for stem in stems):
            return [fetch(stem, base_url=base_url) for stem in stems]
    return []


def _not_found(name: str) -> DataError:
    if name in LABEL_ABOVE:
        return DataError(f"{name} can't be downloaded and is not in the folder {DATA_VARIABLE}: {where_to_put(name)}.")
    near = difflib.get_close_matches(name.lower(), LABEL_ABOVE, n=1)
    hint = f" did you mean {near[0]}?" if near else ""
    return DataError(
        f"unknown data set {name!r}:{hint} Give one of {', '.join(LABEL_ABOVE)}, the NAME of a NAME.csv.gz in the folder "
        f"{DATA_VARIABLE}, or the path of a file."
    )
