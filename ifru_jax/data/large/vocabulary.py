"""The distinct ids of a column in their order, on disk, in memory for some of them.

Chunks of distinct ids are united until there are too many to hold, and written as a sorted run. The runs are merged range by range:
every so many entries of a run bound a range, so that no run has more than that in one, and the ranges are written one after the
other.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ifru_jax.errors import DataError

# Ids in memory at a time.
MOST = 1 << 22


def write_vocabulary(path: Path, chunks: Iterable[np.ndarray], *, most: int = MOST) -> int:
    """Writes the union of the chunks as .npy, ascending: int64, or texts as soon as one chunk has texts.

    Args:
      path: of the file.
      chunks: int64 or str [k], ascending and distinct, each.
      most: ids that are held at a time.

    Returns:
      How many ids there are.
    """
    with TemporaryDirectory(dir=path.parent, prefix=".runs-", ignore_cleanup_errors=True) as folder:
        runs = _of_one_kind(_runs(chunks, Path(folder), max(2, most)), Path(folder))
        # Counted first: the file says in its beginning how many there are.
        size = sum(len(block) for block in _merged(runs, most))
        if size >= 2**31:
            raise DataError(f"there are {size:,} different ids: rows are numbered up to 2³¹ − 1.")
        out = np.lib.format.open_memmap(path, mode="w+", dtype=np.result_type(*runs), shape=(size,))
        at = 0
        for block in _merged(runs, most):
            out[at : at + len(block)] = block
            at += len(block)
        out.flush()
    return size


def _runs(chunks: Iterable[np.ndarray], folder: Path, most: int) -> list[np.ndarray]:
    """Sorted runs on disk."""
    runs: list[np.ndarray] = []
    held: list[np.ndarray] = []
    for chunk in chunks:
        if held and chunk.dtype.kind != held[0].dtype.kind:
            runs.append(_on_disk(folder, len(runs), _united(held)))
            held = []
        held.append(chunk)
        if sum(map(len, held)) > most:
            held = [_united(held)]
            # Of ids that come again and again, the union is small, and waits for more.
            if len(held[0]) > most // 2:
                runs.append(_on_disk(folder, len(runs), held[0]))
                held = []
    return [*runs, _on_disk(folder, len(runs), _united(held))] if held else runs


def _of_one_kind(runs: Sequence[np.ndarray], folder: Path) -> list[np.ndarray]:
    """Runs of numbers as texts, where others are texts."""
    if {run.dtype.kind for run in runs} != {"i", "U"}:
        return list(runs)
    texts = (run if run.dtype.kind == "U" else np.sort(run.astype(str)) for run in runs)
    return [_on_disk(folder, f"texts-{number}", run) for number, run in enumerate(texts)]


def _merged(runs: Sequence[np.ndarray], most: int) -> Iterator[np.ndarray]:
    """The union in blocks, ascending."""
    step = max(1, most // len(runs))
    bounds = np.unique(np.concatenate([run[step::step] for run in runs]))
    places = np.stack([[0, *np.searchsorted(run, bounds), len(run)] for run in runs])
    for low, high in pairwise(places.T):
        block = _united([run[a:b] for run, a, b in zip(runs, low, high, strict=True)])
        if len(block):
            yield block


def _united(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.unique(np.concatenate(parts))


def _on_disk(folder: Path, name: int | str, run: np.ndarray) -> np.ndarray:
    np.save(folder / f"{name}.npy", run)
    return np.load(folder / f"{name}.npy", mmap_mode="r")
