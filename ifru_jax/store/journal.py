"""The journal: lines that are only ever added, each with the digest of the one before it.

    digest_n = SHA-256(line_n),   line_n ∋ digest_{n−1},   seal_n = HMAC(key, digest_n)

Whoever changes a line has to change all that follow it, and without the operator's key can't seal them; whoever cuts off the end
leaves a model that no line describes, and the last digest, noted elsewhere, is missing. A line names nobody: counts, tags, digests,
what was configured and how it ended.
"""

import hashlib
import json
import math
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ifru_jax.store import moments
from ifru_jax.store.key import Key

BEGINNING = "0" * 64
"""Stands where the first line has the digest of the one before."""


@dataclass(frozen=True)
class Line:
    """A line of the journal.

    Attributes:
      number: from 1.
      text: as it was written, JSON.
      digest: of the text.
      seal: of the digest under the operator's key; None where there was no key.
    """

    number: int
    text: str
    digest: str
    seal: str | None

    @property
    def content(self) -> dict[str, Any]:
        """What it says: "number", "time", "kind", "previous" and what belongs to the kind."""
        return json.loads(self.text)


def append(connection: sqlite3.Connection, kind: str, content: Mapping[str, Any], key: Key | None = None) -> Line:
    """Adds a line within the transaction of the connection."""
    last = connection.execute("SELECT number, digest FROM journal ORDER BY number DESC LIMIT 1").fetchone() or (0, BEGINNING)
    head = {"number": last[0] + 1, "time": moments.as_text(moments.now()), "kind": kind, "previous": last[1]}
    text = json.dumps(_finite({**content, **head}), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    digest = digest_of(text)
    line = Line(last[0] + 1, text, digest, None if key is None else key.seal(digest))
    connection.execute("INSERT INTO journal VALUES (?, ?, ?, ?)", (line.number, line.text, line.digest, line.seal))
    return line


def lines(connection: sqlite3.Connection, *, after: int = 0) -> Iterator[Line]:
    """All lines in their order, or those after one of this number."""
    for row in connection.execute("SELECT number, line, digest, seal FROM journal WHERE number > ? ORDER BY number", (after,)):
        yield Line(*row)


def digest_of(text: str) -> str:
    """The digest of a line."""
    return hashlib.sha256(text.encode()).hexdigest()


def _finite(value: Any) -> Any:
    """The value in types of JSON, None for what is no finite number."""
    if isinstance(value, Mapping):
        return {str(name): _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    if isinstance(value, np.generic):
        return _finite(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
