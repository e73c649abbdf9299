"""A model file tells neither who was erased nor how many, to somebody who wants to know which of the ids that aren't in it was."""

from dataclasses import replace

import jax
import numpy as np
import pytest

import ifru_jax
from ifru_jax import Interactions, Trained, mf
from ifru_jax.data import sample_negatives
from ifru_jax.data.numbering import in_order
from ifru_jax.graph import Change
from ifru_jax.models.tables import clear_rows
from ifru_jax.training.record import Record, Segment
from ifru_jax.unlearning import compaction, prepare
from ifru_jax.unlearning.compaction import compact, shuffled
from tests.store.conftest import STEP, prepared

EVERYONE = np.arange(100, 400)
CANDIDATES = 10
ERASURES, OF_EACH = 1000, 5


def erasures(make):
    """(arrays of the file, candidates, place of the erased one among them) of many erasures, some of each model."""
    rng = np.random.default_rng(7)
    model = mf(embedding_size=2)
    for _ in range(ERASURES // OF_EACH):
        there = np.sort(rng.choice(EVERYONE, 31, replace=False))
        users = np.concatenate([np.arange(len(there)), rng.integers(len(there), size=60)])
        items = np.concatenate([rng.integers(12, size=len(there)), np.arange(60) % 12])
        _, kept = np.unique(users * 12 + items, return_index=True)
        data = Interactions.from_arrays(there[users[kept]], items[kept], rng.integers(2, size=len(kept)))
        params = {"user_embedding": rng.normal(size=(len(there), 2)), "item_embedding": rng.normal(size=(12, 2))}
        trained = Trained.of(model, params, data)
        for gone in rng.choice(len(there), OF_EACH, replace=False).tolist():
            others = rng.choice(np.setdiff1d(EVERYONE, there), CANDIDATES - 1, replace=False)
            candidates = rng.permutation(np.append(others, there[gone]))
            yield make(trained, gone, rng), candidates, int(np.flatnonzero(candidates == there[gone])[0])


def contents(trained: Trained) -> dict:
    data = trained.interactions
    return {"ids": data.user_ids, "users": data.users, "items": data.items, "sizes": (data.num_users, data.num_items)} | {
        "table": np.asarray(trained.params["user_embedding"]),
        "total": trained.total,
        "capacities": trained.training_set.capacities,
    }


def erased_from(trained: Trained, user: int) -> Trained:
    """The model without a user, as after a step of length 0."""
    rows = ifru_jax.ForgetRequest(users=np.array([user]))
    after = Change.of(trained.training_set, rows).after
    gone = after.without_data
    params = clear_rows(trained.model.tables, trained.params, (jax.numpy.asarray(gone.users), jax.numpy.asarray(gone.items)))
    return replace(trained, params=params, training_set=after)


def as_they_come(trained, user, rng):
    return contents(erased_from(trained, user))


def in_random_order(trained, user, rng):
    mixed, order = shuffled(trained, rng)
    return contents(erased_from(mixed, int(np.flatnonzero(order[0] == user)[0])))


def compacted(trained, user, rng):
    return contents(compact(erased_from(trained, user), rng)[0])


def hole(file, candidates):
    """Between the neighbours of the mark, if those ascend; among all that lie there, the one nearest to the middle."""
    ids, marks = file["ids"], np.flatnonzero(file["ids"] < 0)
    if not len(marks):
        return None
    place = int(marks[0])
    low = ids[place - 1] if place else 99
    high = ids[place + 1] if place + 1 < len(ids) else 400
    inside = [k for k, one in enumerate(candidates) if low < one < high]
    return min(inside or range(len(candidates)), key=lambda k: abs(candidates[k] - (low + high) / 2))


def rank_of_the_row(file, candidates):
    """The candidate whose rank among all ids is nearest to the place of the mark, or of the row of zeros."""
    zeros = np.flatnonzero((file["table"] == 0).all(axis=1))
    if not len(zeros):
        return None
    known = np.sort(file["ids"][file["ids"] >= 0])
    return int(np.argmin([abs(np.searchsorted(known, one) - zeros[0]) for one in candidates]))


def largest_gap(file, candidates):
    """The candidate that fills the ids up best, as among consecutive ones."""
    known = np.sort(file["ids"][file["ids"] >= 0])
    distance = [np.abs(known - one).min() for one in candidates]
    return int(np.argmin(distance))


def by_position(file, candidates):
    """A regression of place on id over all other rows; the candidate whose id belongs to the place that is missing."""
    known = np.flatnonzero(file["ids"] >= 0)
    slope, start = np.polyfit(known, file["ids"][known], 1)
    zeros = np.flatnonzero((file["table"] == 0).all(axis=1))
    place = zeros[0] if len(zeros) else (file["total"] - len(file["users"])) % max(len(file["ids"]), 1)
    return int(np.argmin(np.abs(candidates - (start + slope * place))))


ADVERSARIES = {"hole": hole, "rank": rank_of_the_row, "gap": largest_gap, "position": by_position}


@pytest.mark.slow
@pytest.mark.parametrize("make", [in_random_order, compacted], ids=lambda make: make.__name__)
def test_no_adversary_tells_the_erased_id_better_than_by_chance(make, monkeypatch):
    # Asks a model for its sizes, by tracing it; a test below shows that it does.
    monkeypatch.setattr(compaction, "_check_sizes", lambda *_: None)
    right = dict.fromkeys(ADVERSARIES, 0)
    guess = np.random.default_rng(1)
    for file, candidates, answer in erasures(make):
        for name, adversary in ADVERSARIES.items():
            found = adversary(file, candidates)
            right[name] += (int(guess.integers(len(candidates))) if found is None else found) == answer
    chance = 1 / CANDIDATES
    limit = ERASURES * chance + 3.3 * np.sqrt(ERASURES * chance * (1 - chance))  # one in two thousand, of each of them
    assert max(right.values()) <= limit, right


def test_the_adversaries_are_no_fools():
    """They find it where rows are in the order of ids."""
    right = dict.fromkeys(ADVERSARIES, 0)
    for count, (file, candidates, answer) in enumerate(erasures(as_they_come)):
        for name, adversary in ADVERSARIES.items():
            right[name] += adversary(file, candidates) == answer
        if count == 99:
            break
    assert right["hole"] > 60
    assert right["rank"] > 60


def test_a_compacted_file_is_that_of_data_without_the_erased():
    """But for the parameters, which are the step's: there is nothing else in it that could tell."""
    data = Interactions.from_arrays(np.repeat(np.arange(100, 110), 4), np.tile(np.arange(5), 8), np.tile([1, 0], 20))
    user = 7
    after = compact(erased_from(prepared(data), user), np.random.default_rng(3))[0]
    never = data.select(data.users != user)
    never = Interactions.from_arrays(never.user_ids[never.users], never.item_ids[never.items], never.labels)
    fresh = shuffled(prepared(never), np.random.default_rng(3))[0]
    found, expected = contents(after), contents(fresh)
    found.pop("table"), expected.pop("table")
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    assert after.config == fresh.config
    np.testing.assert_array_equal(after.interactions.labels, fresh.interactions.labels)


def with_a_record(trained):
    """Two segments of an even Adam; of batches so large that no estimate of the scatter, which is a draw, has a say."""
    ones = jax.tree.map(lambda leaf: 0.1 + 0 * leaf, trained.params)
    valid = trained.interactions.select(np.arange(0, len(trained.interactions), 3))
    segments = tuple(Segment(trained.params, ones, 20.0) for _ in range(2))
    return trained.with_record(Record(segments, 10**9, replace(valid, user_ids=None, item_ids=None), peak=0.0))


@pytest.mark.parametrize("recorded", [False, True])
def test_a_compacted_model_answers_the_next_request_as_before(recorded):
    """N in another unit, and what Adam applied with it: the step is the same but for the share of λ₂, and for the damping now."""
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(20 * 12)[:200], 12)
    data = Interactions.from_arrays(users, items, rng.integers(2, size=200))
    model = mf(embedding_size=3, init_std=0.5)
    before = prepare(Trained.of(model, model.init(jax.random.key(0), 20, 12), data))
    before = with_a_record(before) if recorded else before
    before = ifru_jax.unlearn(before, users=[3])[0]
    after = compact(before, np.random.default_rng(5))[0]
    assert after.total == len(before.interactions) < before.total
    assert (after.record is not None) == recorded
    steps = [ifru_jax.unlearn(model, users=[5])[0] for model in (before, after)]
    left = before.interactions
    pairs = {"users": left.user_ids[left.users], "items": left.item_ids[left.items]}
    old = ifru_jax.score(before, **pairs)
    np.testing.assert_allclose(ifru_jax.score(after, **pairs), old, rtol=1e-5, atol=1e-6)
    kept = left.user_ids[left.users] != 5
    pairs = {name: ids[kept] for name, ids in pairs.items()}
    moved = [ifru_jax.score(model, **pairs) - old[kept] for model in steps]
    scale = np.abs(moved[0]).max()
    assert scale > 0
    # Without a record the damping is of the parameters now.
    assert np.abs(moved[0] - moved[1]).max() < (1e-3 if recorded else 0.02) * scale


def test_features_and_groups_come_along():
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(12 * 30)[:80], 30)
    split = sample_negatives(ifru_jax.random_split(Interactions.from_arrays(users, items)))
    data = split.train
    order = rng.permutation(data.num_users), rng.permutation(data.num_items)
    found = in_order(data, order)
    assert sorted(np.unique(found.groups)) == list(range(len(np.unique(data.groups))))

    def groups(of):
        members = {}
        for u, i, y, g in zip(of.user_ids[of.users], of.item_ids[of.items], of.labels, of.groups, strict=True):
            members.setdefault(g, set()).add((int(u), int(i), float(y)))
        return sorted(map(sorted, members.values()))

    assert groups(found) == groups(data)


def test_tables_with_sizes_of_their_own_are_refused(trained):
    class Fixed:
        def __init__(self, of):
            self._of = of

        def __getattr__(self, name):
            return getattr(self._of, name)

        def __repr__(self):
            return "Fixed()"

        def init(self, key, num_users, num_items):
            return self._of.init(key, 20, 12)

    model, _ = ifru_jax.unlearn(trained, users=[103], config=STEP)
    fixed = replace(model, objective=replace(model.objective, model=Fixed(model.model)))
    with pytest.raises(ifru_jax.ModelError, match=r"Fixed\(\) has sizes of its own"):
        compact(fixed, np.random.default_rng(0))
