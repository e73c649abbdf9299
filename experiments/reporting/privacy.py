"""What of a configuration may be written down: settings, but nothing that says which interactions were forgotten.

An option is withheld if its name ends with a word for data (users, items, pairs, a request …), or is a list and has
such a word anywhere; of a list only the length is told. Names decide, not values, because an id looks like any number.
Counts (num_users) and switches are settings.

>>> without_data({"reg": 1e-5, "num_users": 943, "request": {"users": [17, 4]}})
{'reg': 1e-05, 'num_users': 943, 'request': '(withheld)'}
"""

from collections.abc import Mapping
from typing import Any

DATA_WORDS = frozenset(
    word + plural
    for word in ("user", "item", "pair", "row", "id", "label", "rating", "timestamp", "interaction", "request")
    for plural in ("", "s")
) | {"forgotten", "erased", "retained"}
COUNT_WORDS = frozenset({"num", "max", "min", "top"})


def without_data(config: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `config` in which every option named after data is replaced by a mark, at any depth."""
    return {str(name): _shown(str(name), value) for name, value in config.items()}


def _shown(name: str, value: Any) -> Any:
    words = name.lower().replace("-", "_").replace(".", "_").split("_")
    count = len(value) if isinstance(value, list | tuple | set) or getattr(value, "ndim", 0) else None  # None: no list
    is_setting = value is None or isinstance(value, bool) or words[0] in COUNT_WORDS
    if not is_setting and (words[-1] in DATA_WORDS or (count is not None and not DATA_WORDS.isdisjoint(words))):
        return "(withheld)" if count is None else f"({count} withheld)"
    if isinstance(value, Mapping):
        return without_data(value)
    if isinstance(value, list | tuple):
        return [without_data(entry) if isinstance(entry, Mapping) else entry for entry in value]
    return value
