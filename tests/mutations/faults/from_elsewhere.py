"""Models in closed form, and those of other systems."""

from .fault import faults
from .tests import CAME_IN, EXACT, OVER_ALL_PAIRS, REFUSED, TREES

FROM_ELSEWHERE = [
    *faults(
        "exact/als.py",
        EXACT,
        ("a confidence is taken on top of that of all pairs", "others * (confidence - 1)[:, None]", "others * confidence[:, None]"),
        ("rows are folded out on all data", "matrix(change.after.interactions)", "matrix(change.before.interactions)"),
        ("a row without data stays", "first[row] = 0", "pass"),
    ),
    *faults(
        "exact/model.py",
        REFUSED,
        ("a negative row is somebody else's", "not 0 <= rows.min() <= rows.max() < size", "not rows.max() < size"),
    ),
    *faults(
        "store/models.py",
        "store/test_exact_models.py",
        ("who is gone keeps a row", "rng.permutation(np.flatnonzero(degrees[0]))", "rng.permutation(len(degrees[0]))"),
    ),
    *faults(
        "exact/files.py",
        REFUSED,
        ("a file without a checksum is let in", "if not sealed:", "if False:"),
    ),
    *faults(
        "exact/ease.py",
        EXACT,
        (
            "what is left of a user is not put in again",
            "np.concatenate([old, new[new.any(axis=1)]])",
            "np.concatenate([old, new[:0]])",
        ),
    ),
    *faults(
        "exact/item_knn.py",
        EXACT,
        ("what is left of a user is not counted again", "- old.T @ old + new.T @ new", "- old.T @ old"),
        ("equally similar items in any order", "np.lexsort((named, -similar, rows))", "np.lexsort((columns, -similar, rows))"),
    ),
    *faults(
        "training/all_pairs.py",
        OVER_ALL_PAIRS,
        ("interactions count among all pairs, too", " - jnp.square(logits)", ""),
        ("Gauss–Newton without its mixed part", "return own + 2 * jnp.sum(", "return own + 0 * jnp.sum("),
    ),
    *faults(
        "training/decay.py",
        OVER_ALL_PAIRS,
        ("the positive of a pair is not held back", ", (pairs.items[lead], pairs_of)]", "]"),
    ),
    *faults(
        "interop/export.py",
        CAME_IN,
        ("rows of nobody are left out", "np.concatenate([source.pad[name], found])", "found"),
        ("rows of the erased stay", 'found[~gone[side]] if erased == "compact"', 'found if erased == "compact"'),
    ),
    *faults(
        "interop/evidence.py",
        CAME_IN,
        ("scores of another model are let in", "if not len(apart) or apart.max() <= TOLERANCE:", "if True:"),
    ),
    *faults(
        "interop/containers.py",
        CAME_IN,
        ("the size of an archive is not looked at", "if unpacked > max(_LARGE, _RATIO * packed):", "if False:"),
    ),
    *faults(
        "interop/places.py",
        TREES,
        ("what was turned round does not go back", "value = value.T if place.transposed else value", "pass"),
    ),
    *faults(
        "interop/tensors.py",
        TREES,
        ("moments of the erased go back", "if name not in remembering", "if name"),
    ),
    *faults(
        "interop/trees.py",
        TREES,
        ("a folder is believed about its size", "check_unpacked(source, whole,", "(lambda *_: None)(source, whole,"),
    ),
    *faults(
        "interop/vectors.py",
        "interop/test_vectors.py",
        ("who is gone stays in an index", "(~gone.users, users)", "(~gone.users | True, users)"),
        ("a bias is left out", 'np.c_[items, params["item_bias"]]', 'np.c_[items, 0 * params["item_bias"]]'),
        ("vectors that are no scores are written", "if apart >", "if False and apart >"),
    ),
    *faults(
        "interop/replay.py",
        "interop/test_replay.py",
        ("every segment lasts as long as the training", "steps / SEGMENTS))", "steps))"),
        ("all segments begin at the end", "place * value", "value"),
        ("a slow part of the way takes no longer", "(1 / speed[1:] + 1 / speed[:-1]) / 2", "2 / speed.mean()"),
        ("Adam moves what nothing pulled", "jnp.where(v > 0, 1 / (jnp.sqrt(v) + EPSILON), 0)", "1 / (jnp.sqrt(v) + EPSILON)"),
    ),
    *faults(
        "training/per_user.py",
        OVER_ALL_PAIRS,
        ("a pair of BPR has the weight of its user twice", "jnp.sqrt(weights) if self.grouped else weights", "weights"),
    ),
]
