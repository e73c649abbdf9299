"""The operator's key, and what ids look like under it.

    tag = HMAC-SHA256(key, store ‖ kind ‖ id)

Whoever has a tag but no key can't find its id, however few ids there are; whoever has id and key finds the tag again. The store's
own name is part of it, so that tags of two stores have nothing in common. The key itself is never written into the store: a
`check` of it is, so that another key is noticed.

>>> key = Key(b"0123456789abcdef")
>>> key.tag("shop", "user", 42) == key.tag("shop", "user", "42") != key.tag("shop", "item", 42)
True
"""

import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ifru_jax.errors import DataError

SHORTEST = 16  # bytes


@dataclass(frozen=True, repr=False)
class Key:
    """A secret.

    Attributes:
      secret: at least 16 bytes.
    """

    secret: bytes

    @classmethod
    def read(cls, path: str | Path, store: Path) -> Self:
        """The key in a file, blanks and line ends around it left out.

        Raises:
          DataError: no such file, one that is too short to be a secret, or one within the store.
        """
        file = Path(path)
        if not file.is_file():
            raise DataError(f"there is no key file {file}: make one with `ifru key {file}`, and keep it apart from the store.")
        if store.resolve() in file.resolve().parents:
            raise DataError(f"the key file {file} is in the store: keep it elsewhere, or whoever has the store has the key.")
        secret = file.read_bytes().strip()
        if len(secret) < SHORTEST:
            raise DataError(f"the key in {file} has {len(secret)} bytes: give at least {SHORTEST} that nobody can guess.")
        return cls(secret)

    def tag(self, store: str, kind: str, *ids: int | str) -> str:
        """The tag of an id, or of the ids of a pair."""
        return self._digest("\0".join([store, kind, *map(str, ids)]))

    def check(self, store: str) -> str:
        """What tells this key from others without giving it away."""
        return self._digest(f"{store}\0check")

    def seal(self, digest: str) -> str:
        """What nobody can put under a line of the record without the key."""
        return self._digest(f"seal\0{digest}")

    def _digest(self, text: str) -> str:
        return hmac.new(self.secret, text.encode(), "sha256").hexdigest()


def make_key(path: str | Path) -> None:
    """Writes a new key, which only its owner can read.

    Raises:
      DataError: there is a file of that name, without which nobody can ask a store of it again; or no such folder.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise DataError(f"{path} is there already: a key is never overwritten, give another name.") from error
    except OSError as error:
        raise DataError(f"the key {path} can't be written ({error.strerror}): give a name in a folder that is there.") from error
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_hex(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
