"""Every loss against its definition in loops, groups on the device, and what is refused."""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax import DataError, Interactions, ModelError, bce, bpr
from ifru_jax.data.groups import group_members, leaders_of, whole_groups
from ifru_jax.graph import Batch, Examples, IndexPairs, build_training_set
from ifru_jax.training import LOSSES, WMSE, FullSoftmax, Loss, Objective, WithAuxiliary, as_loss, softmax, wmse
from ifru_jax.training.decay import WithDecay
from ifru_jax.training.described_losses import describe_loss, loss_from_description
from ifru_jax.training.per_user import PerUser

pytestmark = pytest.mark.usefixtures("float64")

USERS, ITEMS, CAPACITY = 4, 5, 32
SEEDS = st.integers(0, 2**32 - 1)


def grouped(seed, *, flipped=False):
    """Groups of one positive and up to three negatives in random order; with `flipped`, some have all labels turned."""
    rng = np.random.default_rng(seed)
    rows = []
    for group in range(rng.integers(1, 7)):
        user, turn = rng.integers(USERS), flipped and rng.random() < 0.5
        members = [(user, rng.integers(ITEMS), label ^ turn, group) for label in [True] + [False] * rng.integers(0, 4)]
        rows += [members[k] for k in rng.permutation(len(members))]
    users, items, labels, groups = (np.array(column) for column in zip(*rows, strict=True))
    return Interactions(users, items, labels, USERS, ITEMS, groups=groups)


class Lookup:
    """A score that is a table of all pairs; the smallest thing with the interface of a model."""

    tables, num_hops = {}, 0

    def score(self, params, pairs, graph):
        return params["scores"][pairs.users, pairs.items]


LOOKUP = Lookup()


def of_table(loss, scores, batch):
    """The sum of a loss for a table of scores."""
    return Objective(LOOKUP, as_loss(loss), 1.0, 0.0).losses({"scores": jnp.asarray(scores)}, batch)


def definition(loss, data, kept, scores):
    """The sum of a loss over the interactions `kept`, in loops."""
    s = scores[data.users, data.items]
    rows = [k for k in range(len(data)) if kept[k]]
    if isinstance(loss, WMSE):
        return sum((1 + loss.alpha * data.labels[k]) * ((data.labels[k] > 0) - s[k]) ** 2 for k in rows)
    positives = [k for k in rows if data.labels[k] > 0.5]
    if isinstance(loss, FullSoftmax):
        return sum(np.log(np.exp(scores[data.users[p]]).sum()) - s[p] for p in positives)
    rivals = {p: [s[n] for n in rows if data.groups[n] == data.groups[p] and data.labels[n] < 0.5] for p in positives}
    if loss is bpr:
        return sum(np.log1p(np.exp(n - s[p])) for p in positives for n in rivals[p])
    return sum(np.log(np.exp(s[p]) + np.exp(rivals[p]).sum()) - s[p] for p in positives)


@pytest.mark.parametrize("loss", [wmse, WMSE(3.0), bpr, softmax, FullSoftmax()], ids=str)
@given(seed=SEEDS)
@settings(max_examples=8)
def test_a_loss_is_its_definition(loss, seed):
    rng = np.random.default_rng(seed)
    whole = build_training_set(grouped(seed, flipped=True), capacities=(CAPACITY, None), with_groups=True)
    scores = 3 * rng.normal(size=(USERS, ITEMS))
    data, kept = whole.interactions, rng.random(len(whole)) < 0.8
    kept |= ~kept.any()
    weights = jnp.asarray(np.pad(kept, (0, CAPACITY - len(data))), float)
    got = of_table(loss, scores, Batch(replace(whole.examples, weights=weights), whole.graph))
    np.testing.assert_allclose(got, definition(loss, data, kept, scores), rtol=1e-10, atol=1e-12)
    if loss.grouped:
        # The same when the others were never there.
        np.testing.assert_allclose(of_table(loss, scores, whole.without(np.flatnonzero(~kept)).batch), got)


@pytest.mark.parametrize("count", [3, USERS, USERS + 1, 3 * USERS])
def test_a_batch_of_a_full_softmax_is_its_definition(count):
    """Fewer and more interactions than there are users, who come several times and in any order; padding."""
    rng = np.random.default_rng(count)
    users, items, labels = rng.integers(USERS, size=count), rng.integers(ITEMS, size=count), rng.integers(2, size=count)
    weights = (np.arange(count) < count - 1).astype(float)
    scores = 3 * rng.normal(size=(USERS, ITEMS))
    examples = Examples(IndexPairs(jnp.asarray(users), jnp.asarray(items)), jnp.asarray(labels), jnp.asarray(weights))
    graph = build_training_set(Interactions(users, items, labels, USERS, ITEMS)).graph
    got = of_table(FullSoftmax(), scores, Batch(examples, graph))
    expected = definition(FullSoftmax(), Interactions(users, items, labels, USERS, ITEMS), weights > 0, scores)
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


@given(seed=SEEDS)
@settings(max_examples=40)
def test_groups_on_the_device(seed):
    data = grouped(seed, flipped=True)
    leaders = leaders_of(data)
    np.testing.assert_array_equal(data.groups[leaders], data.groups)
    np.testing.assert_array_equal(leaders[leaders], leaders)
    followers = leaders != np.arange(len(data))
    assert np.all(data.labels[leaders] != data.labels, where=followers)
    members = group_members(leaders)
    assert sorted(members[members >= 0]) == list(range(len(data)))
    np.testing.assert_array_equal(leaders[members[:, 0]], members[:, 0])
    touched = np.random.default_rng(seed).random(len(data)) < 0.2
    np.testing.assert_array_equal(whole_groups(touched, leaders), np.isin(data.groups, data.groups[touched]))


def test_a_description_is_enough_to_rebuild_what_ships():
    for kind in LOSSES.values():
        loss = kind()
        assert loss_from_description(describe_loss(loss)) == loss
    assert loss_from_description(describe_loss(WMSE(7.0))) == WMSE(7.0)
    assert loss_from_description("bce") == bce  # as older files have it
    assert describe_loss(as_loss(lambda s, y: s * y)) is None


@dataclass(frozen=True)
class NoSum(Loss):
    def summed(self, outputs, examples):
        return outputs


def test_what_is_refused():
    plain = Interactions(np.array([0, 1]), np.array([0, 1]), np.array([1, 0]), USERS, ITEMS)
    mixed = Interactions(np.zeros(4, int), np.arange(4), np.array([1, 1, 0, 0]), USERS, ITEMS, groups=np.full(4, 7))
    with pytest.raises(DataError, match=r"no groups.*sample_negatives.*pointwise"):
        build_training_set(plain, with_groups=True)
    with pytest.raises(DataError, match="group 7 has 2 positives and 2 negatives"):
        bpr.check(mixed)
    with pytest.raises(DataError, match="alpha is -1"):
        WMSE(-1.0)
    with pytest.raises(DataError, match="labels go down to -1"):
        wmse.check(plain.with_labels(np.array([-1, 1])))
    whole = build_training_set(plain, capacities=(4, None))
    scores = jnp.zeros((USERS, ITEMS))
    with pytest.raises(ModelError, match=r"returned shape \(\) for \(4,\) logits"):
        of_table(lambda s, y: jnp.sum(s), scores, whole.batch)
    with pytest.raises(ModelError, match=r"NoSum.summed returned shape \(4,\)"):
        of_table(NoSum(), scores, whole.batch)
    with pytest.raises(ModelError, match=r"auxiliary term returned shape \(4, 5\)"):
        Objective(LOOKUP, WithAuxiliary(bce, lambda p, graph: p["scores"]), 1.0, 0.0).auxiliary({"scores": scores}, whole.graph)
    with pytest.raises(ModelError, match="is no loss"):
        as_loss("bce")  # type: ignore[arg-type]
    for around in (lambda of: WithAuxiliary(of, lambda p, graph: jnp.zeros(())), lambda of: WithDecay(of, 0.1), PerUser):
        with pytest.raises(ModelError, match="'bce' is no loss"):
            around("bce")
    with pytest.raises(DataError, match="with_groups=True"):
        of_table(bpr, scores, whole.batch)
