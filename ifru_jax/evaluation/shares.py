"""AUC where processes have shares of the test pairs: each is scored on the device of its user, and the devices rank them all."""

from functools import partial

import jax

from ifru_jax.data.interactions import Interactions
from ifru_jax.graph import Graph, Pairs, build_examples
from ifru_jax.metrics import auc_or_none
from ifru_jax.models import Params, Recommender
from ifru_jax.training import Trained


def auc_of_shares(trained: Trained, test: Interactions) -> float | None:
    """AUC over the test pairs of all processes; None where they have one label only.

    Args:
      trained: a model over the devices of the processes.
      test: the share of this process.
    """
    if not test.total:
        return None
    examples = build_examples(test, mesh=trained.training_set.mesh)
    scores = _score(trained.model, trained.params, examples.pairs, trained.training_set.graph)
    return auc_or_none(scores, examples.labels, examples.weights > 0)


@partial(jax.jit, static_argnums=0)
def _score(model: Recommender, params: Params, pairs: Pairs, graph: Graph) -> jax.Array:
    return model.score(params, pairs, graph)
