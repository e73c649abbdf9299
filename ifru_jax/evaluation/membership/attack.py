"""How well an attack tells members from non-members: area under the ROC curve and true positives at few false ones, with intervals.

    AUC          with the interval of DeLong, DeLong and Clarke-Pearson (Biometrics 1988), computed from midranks as Sun and Xu do
                 (IEEE Signal Processing Letters 2014)
    TPR at FPR   share of members above the highest threshold that at most the given share of non-members reach, with the exact
                 binomial interval of Clopper and Pearson (Biometrika 1934) for that threshold

An average over all members, as the AUC is, hides that a few of them are certain to be found; the second figure is about those
(Carlini et al., "Membership inference attacks from first principles", IEEE S&P 2022, section III).

>>> import numpy as np
>>> result = attack_result(np.array([3.0, 2.0, 0.5]), np.array([1.0, 0.0, -1.0]), max_fpr=0.34)
>>> round(result.auc, 3), round(result.tpr, 3)
(0.889, 1.0)
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ifru_jax.errors import DataError

CONFIDENCE = 0.95


@dataclass(frozen=True)
class AttackResult:
    """What an attack achieved against one model.

    Attributes:
      auc: area under the ROC curve, ties count one half.
      auc_interval: 95 %.
      tpr: share of members found; None with too few non-members for the false positive rate.
      tpr_interval: 95 %, or None.
      max_fpr: share of non-members that may be taken for members.
      members, nonmembers: how many of each.
    """

    auc: float
    auc_interval: tuple[float, float]
    tpr: float | None
    tpr_interval: tuple[float, float] | None
    max_fpr: float
    members: int
    nonmembers: int

    def as_dict(self) -> dict[str, Any]:
        """The same in types of JSON."""
        return asdict(self) | {
            "auc_interval": list(self.auc_interval),
            "tpr_interval": None if self.tpr_interval is None else list(self.tpr_interval),
        }


def attack_result(members: np.ndarray, nonmembers: np.ndarray, *, max_fpr: float = 0.01) -> AttackResult:
    """Figures of an attack from its scores, float [m] and [n]; higher means member.

    Raises:
      DataError: no member or no non-member, a score that is NaN, or max_fpr outside (0, 1).
    """
    from scipy.special import ndtri  # the quantile of the normal distribution

    members, nonmembers = np.asarray(members, np.float64), np.asarray(nonmembers, np.float64)
    if not members.size or not nonmembers.size:
        raise DataError(f"{members.size} members and {nonmembers.size} non-members: an attack is judged by some of each.")
    if np.isnan(members).any() or np.isnan(nonmembers).any():
        raise DataError("the attack's scores have NaN: the model or its shadows have diverged.")
    if not 0 < max_fpr < 1:
        raise DataError(f"max_fpr is {max_fpr}: give a share between 0 and 1, such as 0.01.")
    auc, deviation = _delong(members, nonmembers)
    reach = float(ndtri(0.5 + CONFIDENCE / 2)) * deviation
    tpr, tpr_interval = _tpr(members, nonmembers, max_fpr)
    return AttackResult(
        auc=auc,
        auc_interval=(max(0.0, float(auc - reach)), min(1.0, float(auc + reach))),
        tpr=tpr,
        tpr_interval=tpr_interval,
        max_fpr=max_fpr,
        members=members.size,
        nonmembers=nonmembers.size,
    )


def _delong(members: np.ndarray, nonmembers: np.ndarray) -> tuple[float, float]:
    """AUC and its standard error; the error is NaN-free for one member or non-member, where it is taken as 0."""
    from scipy.stats import rankdata

    m, n = members.size, nonmembers.size
    ranks = rankdata(np.concatenate([members, nonmembers]))
    # Per member the share of non-members below it, per non-member the share of members above it.
    beaten = (ranks[:m] - rankdata(members)) / n
    beaten_by = 1 - (ranks[m:] - rankdata(nonmembers)) / m
    variance = sum(float(part.var(ddof=1)) / part.size for part in (beaten, beaten_by) if part.size > 1)
    return float(beaten.mean()), math.sqrt(variance)


def _tpr(members: np.ndarray, nonmembers: np.ndarray, max_fpr: float) -> tuple[float | None, tuple[float, float] | None]:
    from scipy.stats import binomtest

    allowed = math.floor(max_fpr * nonmembers.size + 1e-9)
    if allowed < 1:
        return None, None
    # Strictly above the first non-member that must not be reached, so that ties with it don't count.
    barrier = np.sort(nonmembers)[-allowed - 1] if allowed < nonmembers.size else -np.inf
    found = int((members > barrier).sum())
    interval = binomtest(found, members.size).proportion_ci(CONFIDENCE, method="exact")
    return found / members.size, (float(interval.low), float(interval.high))
