"""Files that a store writes outside of its folder: over nothing but what it wrote there before."""

from collections.abc import Callable
from pathlib import Path

from ifru_jax.errors import DataError
from ifru_jax.files import target_of


def outside(store: Path, path: str | Path, *, ours: Callable[[Path], bool]) -> Path:
    """The file that is written where `path` is given, before anything is.

    Args:
      store: its folder.
      path: of the file; links are followed.
      ours: whether a file that is there is one of the store's, which may be replaced.

    Raises:
      DataError: a file in the store, another that is there already, such as the key, or what `target_of` refuses.
    """
    file = target_of(path)
    if store.resolve() in file.parents:
        raise DataError(f"{file} is in the store: give a path in another folder.")
    if file.exists() and not ours(file):
        raise DataError(f"{file} is there already, and this store did not write it: move it away, or give another name.")
    return file
