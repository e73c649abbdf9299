"""What all commands on a store have in common."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from ifru_jax.store import Store

KEY_VARIABLE = "IFRU_KEY"


@dataclass(frozen=True)
class OfStore:
    """A command on a store.

    Attributes:
      store: folder of the store.
      key: file with the operator's key; by default what the variable IFRU_KEY names.
      json: prints JSON instead of tables.
    """

    store: tyro.conf.Positional[Path]
    key: Path | None = None
    json: tyro.conf.FlagCreatePairsOff[bool] = False

    @property
    def key_file(self) -> Path | None:
        """The key, as given or by the variable."""
        named = os.environ.get(KEY_VARIABLE)
        return self.key or (Path(named) if named else None)

    def opened(self, *, read_only: bool = False, **options: Any) -> Store:
        """The store."""
        return Store.open(self.store, key=self.key_file, read_only=read_only, **options)
