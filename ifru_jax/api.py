"""The library in three calls: fit, unlearn, evaluate."""

import reprlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from inspect import isfunction
from typing import TypeVar, overload

import jax

from ifru_jax.compiled import keep_compiled
from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.present import Missing, check_missing, present_part, still_there
from ifru_jax.data.splits import Split
from ifru_jax.errors import DataError, ModelError, check_kind
from ifru_jax.evaluation import Estimate, auc_of_shares, comparable, estimated_ranking, ranking_metrics, survivors
from ifru_jax.evaluation.lists import ScoreBlock
from ifru_jax.exact import ExactModel
from ifru_jax.forks import check_not_forked
from ifru_jax.metrics import auc_or_none
from ifru_jax.models import Recommender
from ifru_jax.progress import training_progress, working
from ifru_jax.training import LossLike, TrainConfig, Trained, bce, train, tuned
from ifru_jax.unlearning import IFRUConfig, Prepared, Report, forget, prepare, warm_up

Exact = TypeVar("Exact", bound=ExactModel)
# Models that were asked for a confined request in this process, by `id`, so that it is compiled.
_ASKED: set[int] = set()


def fit(
    key: jax.Array,
    model: Recommender,
    data: Split,
    *,
    config: TrainConfig = TrainConfig(),
    loss: LossLike = bce,
    record: int | None = None,
    tune: bool = False,
    warm: bool = False,
    progress: bool = True,
) -> Prepared:
    """Trains a model and prepares it for requests.

    Args:
      key: `jax.random.key`; the same key gives the same model.
      model: for instance `ifru_jax.models.mf()`.
      data: `data.train` is learned, `data.valid` stops the training. Where that is empty, training runs for `config.epochs`.
      config: hyper-parameters.
      loss: one of `bce`, `wmse`, `bpr`, `softmax`, a `Loss` of your own, or a function (logits [n], labels [n]) → [n].
      record: segments of the training to record, which requests follow; 0 records nothing, and they read all they know of it off
        its end. None takes what the configuration says, by default as many as the model needs: three, for NGCF eight.
      tune: searches around the configuration for the learning rate, batch size and L2 term whose validation metric is best, by
        seven to twenty trainings (`training.tuning`); what it found is the `config` of the model.
      warm: compiles what the first request needs as well (`warm_up`).
      progress: shows epochs and validation AUC while it trains.

    Returns:
      The model of the best epoch, without validation data of the last, ready for requests.

    Raises:
      DataError: nothing to train on, validation data of one label, none and no number of epochs or nothing to choose by, or data
        that the loss can't take or has nothing to learn of (labels of one kind, for cross-entropy).
      ModelError: a model that isn't one deterministic logit per pair.
      NumericsError: training diverged.
    """
    check_not_forked()
    check_training(key, model, data)
    keep_compiled()
    config = config if record is None else replace(config, record=record)
    if tune:
        trained, _ = tuned(key, model, data, config, loss=loss, watched=partial(tuning_progress, shown=progress))
    else:
        with training_progress(config.most_epochs, shown=progress) as on_epoch:
            trained = train(key, model, data, config, loss=loss, on_epoch=on_epoch)
    with working("preparing for requests", shown=progress):
        return warm_up(trained)[0] if warm else prepare(trained)


@overload
def unlearn(
    trained: Trained,
    request: ForgetRequest | None = None,
    *,
    interactions: Iterable[Sequence[int | str]] | None = None,
    users: Iterable[int | str] | None = None,
    items: Iterable[int | str] | None = None,
    corrected: Iterable[tuple[int | str, int | str, float]] | None = None,
    missing: Missing = "error",
    config: IFRUConfig | None = None,
) -> tuple[Prepared, Report]: ...


@overload
def unlearn(
    trained: Exact,
    request: ForgetRequest | None = None,
    *,
    interactions: Iterable[Sequence[int | str]] | None = None,
    users: Iterable[int | str] | None = None,
    items: Iterable[int | str] | None = None,
    corrected: Iterable[tuple[int | str, int | str, float]] | None = None,
    missing: Missing = "error",
    config: None = None,
) -> tuple[Exact, Report]: ...


def unlearn(
    trained: Trained | Exact,
    request: ForgetRequest | None = None,
    *,
    interactions: Iterable[Sequence[int | str]] | None = None,
    users: Iterable[int | str] | None = None,
    items: Iterable[int | str] | None = None,
    corrected: Iterable[tuple[int | str, int | str, float]] | None = None,
    missing: Missing = "error",
    config: IFRUConfig | None = None,
) -> tuple[Prepared | Exact, Report]:
    """Forgets interactions, users or items, or corrects labels, named by original ids or by a `ForgetRequest`.

    What takes longer than two seconds, as a first request does, which compiles, says so on stderr (`ifru_jax.progress.PATIENCE`).

    Args:
      trained: what `fit`, `load`, `warm_up` or `unlearn` returned, or an exact model (`ifru_jax.exact`).
      request: in rows of the tables, instead of the following.
      interactions: (user, item) pairs.
      users: with all their interactions.
      items: with all their interactions.
      corrected: (user, item, label), the label that is right.
      missing: what to do about that which isn't in the data, or not any more: "error" refuses the request, "report" answers the
        rest and counts what is missing in the report, so that a request may be repeated.
      config: how; None: as the model was prepared for, or the defaults. Exact models know one way alone.

    Returns:
      The model without them, ready for the next request, and the evidence. An empty request returns the very same model.

    Raises:
      DataError: unknown ids, or nothing would be left.
      NumericsError: the step was not finite; the model given is unchanged, as always.
    """
    check_not_forked()
    check_kind("trained", trained, (Trained, ExactModel), "give what fit, load or unlearn returned; a file is read by load")
    if isinstance(trained, ExactModel) and config is not None:
        raise DataError(f"config is given, but {trained!r} forgets exactly: its hyper-parameters say how.")
    check_missing(missing)
    keep_compiled()
    names = {"interactions": interactions, "users": users, "items": items, "corrected": corrected}
    absent = 0
    if request is not None:
        check_kind("request", request, ForgetRequest, "name ids with users=[…], items=[…] or interactions=[(user, item), …]")
        if any(given is not None for given in names.values()):
            raise DataError("both a request and ids were given: give one of the two.")
    if missing == "report":
        data = trained.interactions
        request, absent = present_part(data, **names) if request is None else still_there(data, request)
    elif request is None:
        request = ForgetRequest.of(trained.interactions, **names)
    with working("forgetting" if len(request) > len(request.corrected) else "correcting", shown=_may_last(trained)):
        if isinstance(trained, ExactModel):
            unlearned, report = trained.forget(request)
        else:
            unlearned, report = forget(trained, request, config=config)
    return unlearned, replace(report, missing=absent) if absent else report


def _may_last(trained: Trained | ExactModel) -> bool:
    """Whether a request may take seconds: all but confined ones of a model that was asked before."""
    if not isinstance(trained, Prepared) or not trained.confined:
        return True
    known = id(trained.objective.model) in _ASKED
    _ASKED.add(id(trained.objective.model))
    return not known


def evaluate(trained: Trained | ExactModel, test: Interactions, *, k: int = 20) -> dict[str, float | None]:
    """AUC pooled over the test pairs, and NDCG, Recall, HR, MRR and MAP at k over the full ranking, seen items left out.

    Test pairs of users and items without an interaction are left out: nothing is known of them any more, and their scores are
    constants. None where a figure has no answer (one label only, no relevant item). For a loss that leaves the level of each user's
    scores free, AUC is of scores without levels.

    Where processes have shares of the interactions, all call this, with the pairs of all or with their shares of them.
    """
    check_not_forked()
    check_kind("trained", trained, (Trained, ExactModel), "give what fit, load or unlearn returned; a file is read by load")
    check_kind("test", test, Interactions, "give interactions, such as split.test")
    test = test.shared_as(trained.interactions)
    test = test.select(survivors(trained.interactions, test))
    if isinstance(trained, Trained) and test.share is not None:
        return {"auc": auc_of_shares(trained, test), **rank(trained, test, k=k)}
    levels = trained.loss.fixes_levels if isinstance(trained, Trained) else True
    model = comparable(trained, levels, trained.interactions)
    return {"auc": auc_or_none(model.score_rows(test.users, test.items), test.labels), **rank(trained, test, k=k)}


def rank(trained: Trained | ExactModel, test: Interactions, *, k: int = 20) -> dict[str, float | None]:
    """NDCG, Recall, hit rate, MRR and MAP at k over the full ranking; None without a relevant item.

    The items a user has in the interactions of the model are left out of the ranking, and so are items without an interaction; test
    pairs of users and items without one are not asked about.
    """
    test = test.shared_as(trained.interactions)
    return ranking_metrics(_columns(trained), trained.interactions, test.select(survivors(trained.interactions, test)), k=k)


def estimate(
    trained: Trained | ExactModel, test: Interactions, *, users: int = 1000, seed: int = 0, k: int = 20
) -> dict[str, Estimate | None]:
    """NDCG, Recall, HR, MRR and MAP at k of some users, each with a 95 % confidence interval for what `evaluate` gives of all.

    Args:
      trained, test, k: as for `evaluate`.
      users: how many to draw of those with a relevant item.
      seed: which.

    Returns:
      Means and their intervals, by the names of `evaluate`; None without a relevant item.

    Raises:
      DataError: fewer than 2 users.
    """
    check_not_forked()
    check_kind("trained", trained, (Trained, ExactModel), "give what fit, load or unlearn returned; a file is read by load")
    check_kind("test", test, Interactions, "give interactions, such as split.test")
    asked = test.shared_as(trained.interactions)
    asked = asked.select(survivors(trained.interactions, asked))
    return estimated_ranking(_columns(trained), trained.interactions, asked, users=users, seed=seed, k=k)


def _columns(trained: Trained | ExactModel) -> ScoreBlock:
    """Scores of users with every item, over a mesh each item where its row is."""
    return trained.score_columns if isinstance(trained, Trained) else trained.score_grid


def check_training(key: jax.Array, model: Recommender, data: Split) -> None:
    """Refuses what is no key, model or split.

    Raises:
      DataError: no key or no split.
      ModelError: no model.
    """
    if not isinstance(key, jax.Array):
        raise DataError(f"key is {reprlib.repr(key)}: give jax.random.key({key if isinstance(key, int) else 0}).")
    if isinstance(model, type) or not isinstance(model, Recommender):
        name = getattr(model, "__name__", type(model).__name__)
        hint = f"call it, {name}()" if isfunction(model) else "wrap it: FlaxRecommender or from_nnx"
        raise ModelError(f"{name} is no model that can be trained: {hint}, or take one that ships, such as mf() or lightgcn().")
    remedy = "split it first: protocol_split(interactions), or random_split(interactions, shares=(1, 0, 0)) to train on all"
    check_kind("data", data, Split, remedy)


def tuning_progress(config: TrainConfig, *, shown: bool) -> AbstractContextManager[Callable[[int, float], None] | None]:
    """`training_progress` of one training of a search."""
    title = f"learning rate {config.learning_rate:g}, batches of {config.batch_size}, L2 {config.reg:g}"
    return training_progress(config.most_epochs, shown=shown, title=title)
