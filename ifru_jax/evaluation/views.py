"""What is compared of each model in a verification: its scores and lists where a comparison says something."""

import math
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.share import check_whole
from ifru_jax.data.splits import Split
from ifru_jax.errors import DataError, NumericsError
from ifru_jax.evaluation import fidelity
from ifru_jax.evaluation.levels import comparable
from ifru_jax.evaluation.lists import top_lists
from ifru_jax.evaluation.masks import survivors
from ifru_jax.evaluation.membership import AttackResult
from ifru_jax.evaluation.ranking import averages, user_ranking
from ifru_jax.evaluation.strata import found_of_items, grouped_metrics
from ifru_jax.metrics import auc_or_none
from ifru_jax.models import Scorer


@dataclass(eq=False)
class ModelView:
    """What is compared of one model."""

    test: np.ndarray
    forgotten: np.ndarray
    gone: np.ndarray
    forget_loss: float | None
    forget_loss_error: float
    lists: np.ndarray
    quality: dict[str, float | None]
    found: dict[str, int]
    attacks: dict[str, AttackResult] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Views:
    """The pairs and users on which models are compared: those whose user and item still have a retained interaction.

    Attributes:
      train: what the original saw.
      retained: what the request leaves of it, with corrected labels.
      unchanged: the part of `retained` that it neither forgets nor corrects.
      test: test pairs that are compared.
      forgotten: interactions that the request forgets or corrects and that are compared, with the labels they had.
      gone: the others of these, whose user or item has nothing left.
      members: how many of `forgotten` were not corrected, which is whom membership inference can ask about.
      users: whose lists are compared.
      counts: sizes, for the report.
      k: length of the lists.
      fixes_levels: whether the loss fixes the level of each user's scores.
    """

    train: Interactions
    retained: Interactions
    unchanged: Interactions
    test: Interactions
    forgotten: Interactions
    gone: Interactions
    members: int
    users: np.ndarray
    counts: dict[str, int]
    k: int
    fixes_levels: bool

    @classmethod
    def of(cls, split: Split, request: ForgetRequest, k: int, *, fixes_levels: bool) -> Self:
        train = split.train
        check_whole(train, "a verification")
        touched = request.touches(train)
        if not touched.any():
            raise DataError(f"{request} forgets nothing: there is nothing to verify.")
        retained, forgotten = request.applied(train), train.select(touched)
        test = split.test.select(survivors(retained, split.test))
        kept = survivors(retained, forgotten)
        users = np.flatnonzero(retained.user_degrees())
        counts = {
            "forgotten_interactions": len(forgotten),
            "forgotten_compared": int(kept.sum()),
            "touched_users": len(np.unique(forgotten.users)),
            "retained_interactions": len(retained),
            "test_interactions": len(test),
            "compared_users": len(users),
        }
        return cls(
            train=train,
            retained=retained,
            unchanged=train.select(~touched),
            test=test,
            forgotten=forgotten.select(kept),
            gone=forgotten.select(~kept),
            members=int((kept & request.select(train)[touched]).sum()),
            users=users,
            counts=counts,
            k=k,
            fixes_levels=fixes_levels,
        )

    def of_model(self, model: Scorer) -> ModelView:
        pooled = comparable(model, self.fixes_levels, self.retained)
        test, forgotten = (np.asarray(pooled.score_rows(p.users, p.items), np.float64) for p in (self.test, self.forgotten))
        # Rows without data are zeros, and so are their scores with whatever level.
        gone = np.asarray(model.score_rows(self.gone.users, self.gone.items), np.float64)
        bad = sum(int((~np.isfinite(scores)).sum()) for scores in (test, forgotten, gone))
        if bad:
            raise NumericsError(
                f"{bad} scores of a model are not finite: it has diverged; lower the learning rate or raise the damping."
            )
        losses = np.logaddexp(0, forgotten) - self.forgotten.labels * forgotten
        # Candidates are what no training set holds, the forgotten ones included, of items that all have data of: the same lists'
        # choice for every model.
        lists = top_lists(model.score_grid, self.train, self.users, known=self.retained, k=self.k)
        ranking = user_ranking(lists, self.users, self.train, self.test)
        return ModelView(
            test=test,
            forgotten=forgotten,
            gone=gone,
            forget_loss=fidelity.forget_loss(forgotten, self.forgotten.labels),
            forget_loss_error=float(losses.std(ddof=1) / math.sqrt(len(losses))) if len(losses) > 1 else 0.0,
            lists=lists,
            quality={"auc": auc_or_none(test, self.test.labels)}
            | averages(ranking, k=self.k)
            | grouped_metrics(ranking, self.retained, k=self.k),
            found=found_of_items(ranking, self.retained, k=self.k),
        )
