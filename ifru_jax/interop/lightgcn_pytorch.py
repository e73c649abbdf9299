"""LightGCN-PyTorch: the state dict that it saves, and the text files of its data sets.

    train.txt                       user item item …            in numbers of its own, which are the rows
    user_list.txt, item_list.txt    org_id remap_id             with a heading; which id is which number

Its tables are those of layer 0. Training draws a user first and then one of the user's items, so that every user counts alike
(`training.per_user`); without layers there is no graph that would tell how much each counts, and interactions do. Source:
https://github.com/gusye1234/LightGCN-PyTorch (`code/model.py`, `code/utils.py`).
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError, check_kind
from ifru_jax.interop.containers import existing, read_torch
from ifru_jax.interop.declared import Declared
from ifru_jax.interop.replay import Replay
from ifru_jax.interop.source import Imported, Source
from ifru_jax.interop.tensors import assembled

TABLES = {"user_embedding": "embedding_user.weight", "item_embedding": "embedding_item.weight"}
TRAINING = Replay("adam", learning_rate=1e-3, batch_size=2048)
"""Its defaults."""


def from_lightgcn_pytorch(
    path: str | os.PathLike[str],
    interactions: Interactions,
    *,
    layers: int = 3,
    decay: float = 1e-4,
    scores: tuple[Any, Any, Any] | None = None,
    negatives: int | None = None,
    seed: int = 0,
    replay: Replay | None = TRAINING,
) -> Imported:
    """Takes in a model of LightGCN-PyTorch, or of its matrix factorisation; needs torch to read the file.

    Args:
      path: the file that `torch.save(model.state_dict(), …)` wrote.
      interactions: that it was trained on, as `read_lightgcn` reads them.
      layers: of propagation, `--layer`; 0 for its matrix factorisation.
      decay: `--decay`.
      scores: rows of users, rows of items, and their logits in the source, before the sigmoid.
      negatives: of each positive, drawn once; see `Declared`.
      seed: of that draw.
      replay: `--lr` and `--bpr_batch`; None reads all off the end of the training, see `Declared`.

    Raises:
      DataError: no such file, one that holds more than tensors, or data that doesn't fit it.
      ModelError: tables that are no such model, or scores that are not met.

    Warns:
      DataWarning: the order of rows or the objective does not fit, see `interop.evidence`.
    """
    check_kind("interactions", interactions, Interactions, "give what read_lightgcn reads")
    arrays = read_torch(path)
    declared = Declared(
        TABLES,
        layers=layers,
        decay=decay,
        per_user=layers > 0,
        negatives=negatives,
        replay=replay,
        user_ids=interactions.user_ids,
        item_ids=interactions.item_ids,
        scores=scores,
    )
    return assembled(arrays, declared, interactions, Source("torch"), seed=seed)


def read_lightgcn(folder: str | os.PathLike[str], *, name: str = "train.txt") -> Interactions:
    """Interactions of a data set of LightGCN, in its numbers; with original ids where it has the lists.

    Args:
      folder: with the files.
      name: of the file with the interactions.

    Raises:
      DataError: no such file, or a line that is not what it should be; the message has its number.
    """
    source = existing(Path(folder) / name)
    users, items = [], []
    for number, line in enumerate(source.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = [int(cell) for cell in line.split()]
        except ValueError as error:
            raise DataError(f"line {number} of {source} is {line[:40]!r}: a user and items, as whole numbers.") from error
        users += row[:1] * (len(row) - 1)
        items += row[1:]
    if not users:
        raise DataError(f"{source} has no interaction: give the folder of a data set of LightGCN.")
    ids = [_list(Path(folder) / f"{side}_list.txt") for side in ("user", "item")]
    num_users, num_items = (max(rows) + 1 if of is None else len(of) for rows, of in zip((users, items), ids, strict=True))
    labels = np.ones(len(users), np.float32)
    return Interactions(np.array(users), np.array(items), labels, num_users, num_items, user_ids=ids[0], item_ids=ids[1])


def _list(path: Path) -> np.ndarray | None:
    """Original ids in the order of their numbers; None where there is no such file."""
    if not path.exists():
        return None
    rows = [line.rsplit(maxsplit=1) for line in path.read_text(encoding="utf-8").splitlines()[1:] if line.strip()]
    try:
        found = {int(place): name for name, place in rows}
    except ValueError as error:
        raise DataError(f"{path} has a line that is no id with its number: give the list as LightGCN has it.") from error
    if sorted(found) != list(range(len(rows))):
        raise DataError(f"{path} doesn't number its ids from 0 without a gap: give the list as LightGCN has it.")
    named = np.array([found[place] for place in range(len(found))])
    # Whole numbers stay such, as far as nothing is lost.
    if all(name.isdecimal() and name == str(int(name)) and len(name) < 19 for name in found.values()):
        return named.astype(np.int64)
    return named
