"""Was it forgotten? All measures of an unlearned model against retrained ones, each with a verdict.

First come the facts (`facts`): what each model was trained on or has left. Then every limit comes from the retrained models, since
two of them differ as well (`measures`). A measure proves something only where the original model fails it (`informative`), and
where a model that forgot half would not pass it (`power`, at least 80 %). Else the measure can't tell, and where none can the whole
verdict is "cannot tell". Cleared rows (`gone_scores`) prove nothing: whoever sets one row to zero has undone nothing of what the
others learned from it. No user, item or interaction is in the result, only counts, averages and verdicts.
"""

from collections.abc import Sequence
from typing import Any

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.splits import Split
from ifru_jax.errors import DataError, check_kind
from ifru_jax.evaluation.facts import facts_of
from ifru_jax.evaluation.measures import Compared, in_order, measures_of
from ifru_jax.evaluation.membership import Candidates, Shadows, audit
from ifru_jax.evaluation.parameters import share_left
from ifru_jax.evaluation.verdicts import Measure, Verification, VerifyConfig
from ifru_jax.evaluation.views import Views
from ifru_jax.forks import check_not_forked
from ifru_jax.models import Scorer
from ifru_jax.training import Trained
from ifru_jax.training.losses import as_loss


def verify(
    original: Scorer,
    unlearned: Scorer,
    retrained: Sequence[Scorer],
    split: Split,
    request: ForgetRequest,
    *,
    shadows: Shadows | None = None,
    twin: Trained | None = None,
    config: VerifyConfig = VerifyConfig(),
) -> Verification:
    """Compares an unlearned model with retrained ones.

    Args:
      original: the model that was asked to forget: a `Trained`, or any `Scorer` on rows of the tables of `split`.
      unlearned: what it became.
      retrained: at least two models trained without the forgotten interactions, with different seeds, none of them the original's.
        With two hardly any figure can fail; five make verdicts sharp, and seven hold where trainings are unevenly noisy.
      split: train with the forgotten interactions (as the original saw it), valid and test.
      request: what was forgotten or corrected. Corrected interactions are compared under the labels they had, like forgotten
        ones; membership inference leaves them out, since the retrained models were trained on them too, under another label.
      shadows: of `train_shadows`, for LiRA and RMIA; without them only the loss attack and the oracle are run.
      twin: a model retrained from the original's initialisation, for the distance of parameters.
      config: how.

    Returns:
      A verdict with the facts and measures it rests on; `as_dict` is JSON.

    Raises:
      DataError: fewer than two retrained models, nothing forgotten or corrected, a request that `split.train` does not hold, or
        no scikit-learn for membership inference.
      NumericsError: scores that are not finite.
    """
    check_not_forked()
    check_kind("split", split, Split, "give the split that the original was trained on")
    check_kind("request", request, ForgetRequest, "make one with ForgetRequest.of(split.train, users=[…])")
    if len(retrained) < 2:
        raise DataError(f"{len(retrained)} retrained models: give at least two, since the noise between them sets every limit.")
    known = facts_of(original, unlearned, retrained, split.train, request)
    k, loss = config.k, config.loss
    if loss is None and isinstance(original, Trained):
        loss = original.loss
    fixes_levels = loss is None or as_loss(loss).fixes_levels
    views = Views.of(split, request, k, fixes_levels=fixes_levels)
    models = [original, unlearned, *retrained]
    before, after, *others = seen = [views.of_model(model) for model in models]
    attacks: dict[str, dict[str, Any]] = {}
    if config.membership and views.members:
        candidates = Candidates.of(split, request) if shadows is None else shadows.candidates
        for model, view in zip(models, seen, strict=True):
            view.attacks = audit(model, candidates, views.unchanged, shadows=shadows)
        achieved = [{name: attack.as_dict() for name, attack in view.attacks.items()} for view in seen]
        attacks = {"original": achieved[0], "unlearned": achieved[1]}
        attacks["retrained"] = {name: [of_model[name] for of_model in achieved[2:]] for name in achieved[0]}

    measures = measures_of(Compared(before, after, others), k=k)
    if twin is not None and isinstance(unlearned, Trained) and isinstance(original, Trained):
        measures["parameters_left"] = Measure("closeness", share_left(unlearned.params, original.params, twin.params), 1.0, None)
    counts = views.counts | {"retrained_models": len(retrained), "shadow_models": 0 if shadows is None else len(shadows)}
    return Verification.of(in_order(measures), known, attacks=attacks, counts=counts)
