"""Models of the package implicit: `.npz` files that `model.save` wrote, ALS and BPR.

ALS has user_factors and item_factors [·, d]. It becomes `exact.ALS`, or matrix factorisation with the loss `AllPairs`.

BPR has user_factors [·, d + 1], whose last column is 1, and item_factors [·, d + 1], whose last column is the bias. It becomes
matrix factorisation with item biases and the loss `bpr`, with weight decay on what is drawn. Negatives are drawn by popularity, as
implicit does, but once.

Source: https://github.com/benfred/implicit, version 0.7 (`cpu/als.py`, `cpu/bpr.pyx`).
"""

import os
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError, ModelError, check_kind
from ifru_jax.exact import ALS, ALSModel
from ifru_jax.interop.containers import existing, read_npz
from ifru_jax.interop.evidence import Scored, examined
from ifru_jax.interop.negatives import with_negatives
from ifru_jax.interop.order import Ids, in_order
from ifru_jax.interop.replay import Replay, replayed_if_it_can_be
from ifru_jax.interop.source import Imported, Source
from ifru_jax.models import item_bias_mf, mf
from ifru_jax.training import AllPairs, TrainConfig, Trained, WithDecay, bpr
from ifru_jax.unlearning import Prepared

TABLES = {"user_factors": "user", "item_factors": "item"}
USERS, ITEMS, BIAS = "user_embedding", "item_embedding", "item_bias"


@dataclass(frozen=True)
class ImplicitOptions:
    """What a file of implicit does not say.

    Attributes:
      exact: of ALS: requests are answered by `exact.ALS`; False makes a model with an objective of it, for every method.
      alpha: of ALS, where the file is too old to hold it; labels are multiplied by it.
      negatives: of BPR: how many are drawn of each positive, once, to stand for the sampler's.
      seed: of that draw.
      replay: of BPR: requests follow a training as the source's (`interop.replay`); False reads all off its end.
      sweeps: of `exact.ALS`.
    """

    exact: bool = True
    alpha: float | None = None
    negatives: int = 4
    seed: int = 0
    replay: bool = True
    sweeps: int = ALS.sweeps


def from_implicit(
    path: str | os.PathLike[str],
    interactions: Interactions,
    *,
    user_ids: Ids | None = None,
    item_ids: Ids | None = None,
    scores: tuple[Any, Any, Any] | None = None,
    options: ImplicitOptions = ImplicitOptions(),
) -> Imported:
    """Takes in a model of implicit.

    Args:
      path: the file that `model.save` wrote.
      interactions: that it was trained on, positives; labels are the values of the matrix that `fit` was given.
      user_ids, item_ids: original ids in the order of the rows of that matrix, and of its columns; None where the rows of
        `interactions` are those of the model.
      scores: rows of users, rows of items, and their scores in the source, [n] each: they are met, or the model is refused.
      options: what the file does not say.

    Raises:
      DataError: no such file, one that is no model of implicit, or data that doesn't fit it.
      ModelError: another kind of model, tables that don't fit one another, or scores that are not met.

    Warns:
      DataWarning: the order of rows or the objective does not fit, see `interop.evidence`.
    """
    check_kind("interactions", interactions, Interactions, "give the positives it was trained on, such as split.train")
    content = read_npz(path)
    if missing := [name for name in TABLES if name not in content]:
        raise DataError(
            f"{path} has no {missing[0]}, but {', '.join(content) or 'nothing'}: give a file that model.save of implicit wrote."
        )
    tables = {name: content[name] for name in TABLES}
    settings = {name: value for name, value in content.items() if name not in TABLES}
    if any(table.ndim != 2 or table.dtype.kind != "f" for table in tables.values()):
        raise ModelError(f"{path} has factors {[(t.dtype.name, t.shape) for t in tables.values()]}: they are floating matrices.")
    users, items = tables.values()
    data = in_order(interactions, (len(users), len(items)), user_ids, item_ids)
    source = Source("implicit", settings, dtypes={name: table.dtype for name, table in tables.items()})
    read = _kind(existing(path).name, settings)
    model = read(users, items, data, settings, options)
    scored = None if scores is None else Scored.of(*scores)
    evidence = examined(model, scored)
    ready = model if isinstance(model, ALSModel) else replayed_if_it_can_be(model, _training(settings, options))
    return Imported(ready, source, evidence)


def _training(settings: dict[str, np.ndarray], options: ImplicitOptions) -> Replay | None:
    """BPR goes down the gradient of one draw at a time; alternating least squares don't."""
    known = options.replay and "learning_rate" in settings
    return Replay("sgd", float(settings["learning_rate"]), 1) if known else None


def _kind(name: str, settings: dict[str, np.ndarray]) -> Any:
    if "neg_prop" in settings:
        raise ModelError(f"{name} is a logistic matrix factorisation, which is not read: ALS and BPR are.")
    return _bpr if {"learning_rate", "verify_negative_samples"} <= settings.keys() else _als


def _als(
    users: np.ndarray, items: np.ndarray, data: Interactions, settings: dict[str, np.ndarray], options: ImplicitOptions
) -> ALSModel | Trained:
    alpha = options.alpha if "alpha" not in settings else float(settings["alpha"])
    if alpha is None:
        raise DataError(
            "the file is of a version that kept no alpha: give ImplicitOptions(alpha=…), 1 if the matrix was scaled before."
        )
    if "alpha" in settings and options.alpha not in (None, alpha):
        raise DataError(f"alpha is {options.alpha}, but the file says {alpha}: leave it out.")
    reg, width = float(settings["regularization"]), _width(users, items)
    epochs = int(settings.get("iterations", np.int64(ALS.epochs)))
    config = ALS(embedding_size=width, reg=reg, alpha=alpha, epochs=epochs, sweeps=options.sweeps)
    return of_factors(users, items, data, config, exact=options.exact)


def of_factors(users: np.ndarray, items: np.ndarray, data: Interactions, config: ALS, *, exact: bool) -> ALSModel | Trained:
    """Rows of alternating least squares as `exact.ALS`, or as matrix factorisation with the objective of it."""
    if exact:
        return config.model(data, users, items)
    loss = AllPairs(config.alpha)
    loss.check(data)
    train = TrainConfig(reg=2 * config.reg / max(1, len(data)))
    model = mf(embedding_size=config.embedding_size)
    return Trained.of(model, held_as_it_is({USERS: users, ITEMS: items}), data, loss=loss, config=train)


def _bpr(
    users: np.ndarray, items: np.ndarray, data: Interactions, settings: dict[str, np.ndarray], options: ImplicitOptions
) -> Trained:
    width = _width(users, items) - 1
    if not (users[:, -1] == 1).all():
        raise ModelError(
            "the last column of the user factors is not 1 everywhere: these are no factors of BPR, or not all of them."
        )
    drawn = with_negatives(data, per_positive=options.negatives, popular=True, seed=options.seed)
    params = {USERS: users[:, :-1], ITEMS: items[:, :-1], BIAS: items[:, -1]}
    loss = WithDecay(bpr, float(settings["regularization"]))
    model = item_bias_mf(embedding_size=width)
    return Trained.of(model, held_as_it_is(params), drawn, loss=loss, config=TrainConfig(reg=0.0))


def _width(users: np.ndarray, items: np.ndarray) -> int:
    if users.shape[1] != items.shape[1]:
        raise ModelError(f"users have {users.shape[1]} factors and items {items.shape[1]}: the file is not of one model.")
    if not all(np.isfinite(table).all() for table in (users, items)):
        raise ModelError("the factors are not all finite: train the model again.")
    return users.shape[1]


def held_as_it_is(params: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Parameters that JAX holds to the bit.

    Raises:
      ModelError: double precision, while JAX computes in single precision.
    """
    if any(jax.dtypes.canonicalize_dtype(table.dtype) != table.dtype for table in params.values()):
        raise ModelError('the tables are float64, which would be rounded: call jax.config.update("jax_enable_x64", True) first.')
    return params


def implicit_tables(model: Prepared | Trained | ALSModel) -> dict[str, np.ndarray]:
    """The tables of a model by the names of implicit.

    Raises:
      ModelError: a model that implicit has no file for.
    """
    if isinstance(model, ALSModel):
        return {"user_factors": model.user_factors, "item_factors": model.item_factors}
    params = {name: np.asarray(value) for name, value in model.params.items()}
    if params.keys() == {USERS, ITEMS} and model.model.num_hops == 0:
        return {"user_factors": params[USERS], "item_factors": params[ITEMS]}
    if params.keys() == {USERS, ITEMS, BIAS}:
        # A user without data has the 1 there, too.
        ones = np.ones((len(params[USERS]), 1), params[USERS].dtype)
        users, items = np.hstack([params[USERS], ones]), np.hstack([params[ITEMS], params[BIAS][:, None]])
        return {"user_factors": users, "item_factors": items}
    raise ModelError(f"implicit has no file for {model.model!r}: it knows mf() and item_bias_mf().")
