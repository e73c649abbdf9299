"""JSON: one object per line, or one array of objects; a key is a column.

>>> json_table('{"user": 1, "item": "a"}\\n{"user": 2, "item": "b", "stars": 4}').columns
[[1, 2], ['a', 'b'], [None, 4]]
"""

import json
from typing import Any

import numpy as np

from ifru_jax.data.reading.table import Table
from ifru_jax.errors import DataError


def json_table(text: str) -> Table:
    """The table of the objects; a key that one of them lacks is a missing cell.

    Raises:
      DataError: nothing in the file, a line that is no JSON object, or an object with one key twice.
    """
    if text.lstrip().startswith("["):
        rows = _parsed(text, "the file")
        numbers = None
    else:
        filled = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        rows = [_parsed(line, f"line {number}") for number, line in filled]
        numbers = np.array([number for number, _ in filled])
    if not rows:
        raise DataError("the file is empty: give one JSON object per line.")
    wrong = next((row for row in rows if not isinstance(row, dict)), None)
    if wrong is not None:
        raise DataError(f'{json.dumps(wrong)[:80]} is no JSON object: give one per line, such as {{"user": 1, "item": 2}}.')
    names = list(dict.fromkeys(name for row in rows for name in row))
    return Table(names, [[row.get(name) for row in rows] for name in names], len(rows), numbers)


def _parsed(text: str, place: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_each_key_once)
    except DataError as error:
        raise DataError(f"{place}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place} is no JSON ({error}): give one object per line.") from error


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        twice = next(name for place, (name, _) in enumerate(pairs) if name in dict(pairs[:place]))
        raise DataError(f"the key {twice!r} comes twice: give each once.")
    return row
