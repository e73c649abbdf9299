"""Packages that only some need, imported where they are used.

>>> needed("gzip", "nothing").__name__
'gzip'
"""

import importlib
from typing import Any

from ifru_jax.errors import DataError


def needed(module: str, purpose: str, *, extra: str = "experiments") -> Any:
    """The module, or a DataError that says what needs it and how to install it.

    Args:
      module: its name.
      purpose: such as "downloads need pooch".
      extra: of pyproject.toml, which the module is in.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DataError(f"{purpose}: {how_to_install(extra)}.") from error


def how_to_install(extra: str) -> str:
    """The command that installs an extra, as long as ifru_jax is on no index."""
    return f'pip install ".[{extra}]" in the folder of ifru_jax'
