"""All attacks on one model, from its scores and the shadows: forgotten interactions against held-out ones.

A model that was retrained without them is attacked too, and is what the attacks' figures are compared with. 0.5 is not the aim:
where forgotten interactions differ from held-out ones (flipped labels, say), attacks tell them apart in a retrained model as well.
"""

import numpy as np

from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError
from ifru_jax.evaluation.membership.attack import AttackResult, attack_result
from ifru_jax.evaluation.membership.confidence import confidence
from ifru_jax.evaluation.membership.lira import lira
from ifru_jax.evaluation.membership.memorisation import LEAST, memorisation, most_memorised
from ifru_jax.evaluation.membership.oracle import features, fit_oracle
from ifru_jax.evaluation.membership.rmia import rmia
from ifru_jax.evaluation.membership.shadows import Candidates, Shadows, join
from ifru_jax.models import Scorer


def audit(
    model: Scorer, candidates: Candidates, retained: Interactions, *, shadows: Shadows | None = None
) -> dict[str, AttackResult]:
    """Attacks by name: "loss" and "oracle", with shadows also "lira", "lira-offline", "rmia" and "rmia-offline", and where
    there are more than a few members, "lira-worst" and "rmia-worst" against the most memorised of them (`membership.memorisation`).

    Args:
      model: anything with scores.
      candidates: the interactions, those of the shadows if there are any.
      retained: D_r, of which the oracle is told that the model was trained on it; without interactions whose label was corrected.
      shadows: of `train_shadows`.

    Raises:
      DataError: shadows of other candidates.
      NumericsError: the oracle did not converge.
    """
    if shadows is not None and shadows.candidates is not candidates:
        raise DataError("the shadows were trained for other candidates: give shadows.candidates.")
    asked, at_large = join(candidates.members, candidates.nonmembers), candidates.population
    phi = _confidences(model, asked)
    scores = {"loss": phi, "oracle": _oracle(model, asked, at_large, retained)}
    if shadows is not None:
        known = (phi, shadows.confidences, shadows.trained_on)
        everyone = (_confidences(model, at_large), shadows.population)
        scores |= {
            "lira": lira(*known),
            "lira-offline": lira(*known, mode="offline"),
            "rmia": rmia(*known, *everyone),
            "rmia-offline": rmia(*known, *everyone, mode="offline"),
        }
    size = len(candidates.members)
    results = {name: attack_result(found[:size], found[size:]) for name, found in scores.items()}
    if shadows is not None and size > LEAST:
        # By the shadows alone, the same for every model.
        worst = most_memorised(memorisation(shadows.confidences[:, :size], shadows.trained_on[:, :size]))
        results |= {f"{name}-worst": attack_result(scores[name][worst], scores[name][size:]) for name in ("lira", "rmia")}
    return results


def _confidences(model: Scorer, pairs: Interactions) -> np.ndarray:
    return confidence(model.score_rows(pairs.users, pairs.items), pairs.labels)


def _oracle(model: Scorer, asked: Interactions, at_large: Interactions, retained: Interactions) -> np.ndarray:
    places = np.random.default_rng(0).permutation(len(retained))[: len(at_large)]
    members = retained.select(np.sort(places))

    def of(pairs: Interactions) -> np.ndarray:
        return features(model.score_rows(pairs.users, pairs.items), pairs, retained)

    return fit_oracle(of(members), of(at_large))(of(asked))
