"""Packages that only some need, imported where they are used.

>>> needed("gzip", "nothing").__name__
'gzip'
"""

import importlib
from typing import Any

from ifru_jax.errors import DataError


def needed(module: str, purpose: str) -> Any:
    """The module, or a DataError that says what needs it and how to install it. `purpose` is such as "downloads need pooch"."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DataError(f'{purpose}: pip install "ifru_jax[experiments]".') from error
