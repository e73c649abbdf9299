"""Explanations."""

from .fault import faults
from .tests import BACKWARDS, OWN

EXPLAINING = [
    *faults(
        "unlearning/adjoint.py",
        BACKWARDS,
        ("the adjoint goes from the first segment to the last", "reversed(state.record.segments)", "state.record.segments"),
        ("what a segment leaves is not pulled back", "return optax.tree.sub(pull, moved), problem", "return pull, problem"),
        ("H a is left in the scale of the solve", "x / jnp.where(s > 0, s, 1)", "x"),
        (
            "an influence along the record has its sign turned",
            "found, statuses = found - learned, [*",
            "found, statuses = found + learned, [*",
        ),
        (
            "b of every segment is taken at the end",
            "contributions(of.objective, segment.params, direction",
            "contributions(of.objective, segment.applied, direction",
        ),
        ("H of a segment is that of all data", "segment.params, of.retained)", "segment.params, of.data.batch)"),
    ),
    *faults(
        "unlearning/local/adjoint.py",
        OWN,
        ("own ratings go through the segments from the first to the last", "in reversed(segments):", "in segments:"),
        ("a rating that is sampled stands for itself alone", "counts = (lengths - mine)[item] / ", "counts = 1 / "),
        ("the rows of the items that the user rated are held", "moving = np.union1d(items, asked)", "moving = np.unique(asked)"),
        ("who asks is among those who return", "raters[raters != user]", "raters"),
        ("what is left of a rating is forgotten near a user", "counts * retained[places]", "counts"),
    ),
    *faults(
        "solvers/lanczos.py",
        "solvers/test_lanczos.py",
        ("H v ends within the space", "self.off_diagonal[last] * coefficients[last], self.following", "0.0, self.following"),
    ),
    *faults(
        "influence/attribution.py",
        BACKWARDS,
        (
            "the graph has all of every edge",
            "WeightedGraph.of(graph, counts[self.places])",
            "WeightedGraph.of(graph, self.counts[self.places])",
        ),
        ("the loss has all of every interaction", "replace(self.batch.examples, weights=counts)", "self.batch.examples"),
        ("what is served from is left out", "if data.places is None:", "if True:"),
    ),
    *faults(
        "graph/bipartite.py",
        BACKWARDS,
        ("a degree of one has half a slope", "jnp.where(d > 0, d, 1)), 0)", "jnp.maximum(d, 1)), 0)"),
    ),
]
