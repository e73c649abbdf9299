"""What was held out of a training is in the record of it too: where a pair of that is forgotten, no file of the store has it."""

from dataclasses import replace

import jax
import numpy as np
import pytest

import ifru_jax
from ifru_jax import DataError, DataWarning, Interactions, Split, TrainConfig, mf
from ifru_jax.data import sample_negatives
from ifru_jax.data.side_features import SideFeatures
from ifru_jax.store import Asked, Store, verify_record
from ifru_jax.training import bpr
from ifru_jax.unlearning import IFRUConfig
from tests.store.conftest import PATIENT, prepared
from tests.store.held import everything, pairs_of

CONFIG = TrainConfig(learning_rate=0.05, batch_size=64, epochs=4, record=2)


@pytest.fixture(scope="module")
def larger():
    rng = np.random.default_rng(3)
    users, items = np.divmod(rng.permutation(30 * 20)[:400], 20)
    return ifru_jax.random_split(Interactions.from_arrays(100 + users, [f"i{i}" for i in items], rng.integers(2, size=400)))


@pytest.fixture(scope="module")
def fitted(larger):
    return ifru_jax.fit(jax.random.key(0), mf(embedding_size=3), larger, config=CONFIG, progress=False)


def recorded(folder, name):
    """{(user, item): label} of what the record of the file of the current state names, by original ids; None without a record."""
    with np.load(folder / "states" / name / "model.npz", allow_pickle=False) as file:
        if "record/valid/users" not in file.files:
            return None
        users, items = file["data/user_ids"][file["record/valid/users"]], file["data/item_ids"][file["record/valid/items"]]
        return {(int(u), str(i)): float(y) for u, i, y in zip(users, items, file["record/valid/labels"].tolist(), strict=True)}


def on_disk(store):
    return recorded(store.folder, store._opened.current.name)


@pytest.mark.parametrize("given", [True, False])
def test_a_pair_that_stopped_the_training_is_forgotten_in_its_record(tmp_path, fitted, larger, key, given):
    """Also where the store was not told of the split: what the record names is there to be asked for."""
    with Store.create(tmp_path / "s", fitted, split=larger if given else None, key=key, budget=PATIENT) as store:
        before = on_disk(store)
        gone, wrong = list(before)[3], list(before)[7]
        answer = store.forget(Asked(interactions=[gone], corrected=[(*wrong, 1 - before[wrong])]))
        assert (answer.complete, answer.held_out, answer.report.forgotten) == (True, 1, 0)
        assert on_disk(store) == {pair: 1 - y if pair == wrong else y for pair, y in before.items() if pair != gone}
        assert store.forget(interactions=[gone]).count("done already") == 1
        store.compact()
        assert gone not in on_disk(store)
        assert verify_record(store.folder, key=key).holds


def test_a_held_out_pair_with_a_time_is_forgotten_by_the_session_that_made_the_store(tmp_path, larger, key):
    split = larger.of_parts(lambda part: replace(part, timestamps=np.arange(len(part)) + 1e9))
    trained = ifru_jax.fit(jax.random.key(0), mf(embedding_size=3), split, config=CONFIG, progress=False)
    with Store.create(tmp_path / "s", trained, split=split, key=key, budget=PATIENT) as store:
        gone = list(on_disk(store))[3]
        assert store.forget(interactions=[gone]).held_out == 1
        assert gone not in on_disk(store)
        assert store.model.record.valid.timestamps is not None


def test_a_correction_among_sampled_negatives_is_whole_so_that_the_rest_can_be_settled(tmp_path, larger, key):
    """Afterwards a group may be about another of its members, and an item that is forgotten then takes others along."""
    positives = larger.of_parts(lambda part: part.select(part.labels > 0.5))
    split = sample_negatives(positives, per_positive=2)
    trained = ifru_jax.fit(jax.random.key(0), mf(embedding_size=3), split, config=CONFIG, progress=False)
    data = trained.interactions
    observed, drawn = (int(np.flatnonzero((data.groups == data.groups[0]) & (data.labels == label))[0]) for label in (1, 0))
    who = int(data.user_ids[data.users[observed]])
    with Store.create(tmp_path / "s", trained, split=split, key=key, budget=PATIENT) as store:
        store.correct([(who, str(data.item_ids[data.items[drawn]]), 1.0)], quick=True)
        assert not store.history()[-1]["quick"]
        store.forget(items=[str(data.item_ids[data.items[observed]])], quick=True)
        assert store.history()[-1]["quick"]
        quick = pairs_of(store.model.interactions)
        store.settle()
        assert pairs_of(store.model.interactions) == quick


def test_what_went_between_quick_answers_does_not_come_back_when_they_are_settled(tmp_path, fitted, larger, key):
    """The state that they are settled from has all of it."""
    for settles in (True, False):
        with Store.create(tmp_path / f"s{settles}", fitted, split=larger, key=key, budget=PATIENT) as store:
            before = on_disk(store)
            gone, wrong = list(before)[3], list(before)[7]
            user = next(u for u in larger.train.user_ids.tolist() if u not in (gone[0], wrong[0]))
            store.forget(users=[user], quick=True)
            assert on_disk(store) is None
            store.forget(interactions=[gone], quick=True)
            store.correct([(*wrong, 1 - before[wrong])], quick=True)
            if settles:
                store.settle()
            else:
                other = next(u for u in larger.train.user_ids.tolist() if u not in (gone[0], wrong[0], user))
                store.forget(users=[other])
                before = {pair: y for pair, y in before.items() if pair[0] != other}
            expected = {pair: 1 - y if pair == wrong else y for pair, y in before.items() if pair != gone and pair[0] != user}
            assert on_disk(store) == expected


@pytest.mark.parametrize("by", ["pair", "item"])
def test_what_was_drawn_for_a_held_out_pair_goes_with_it(tmp_path, larger, by, key):
    positives = larger.of_parts(lambda part: part.select(part.labels > 0.5))
    split = sample_negatives(positives, per_positive=2)
    trained = ifru_jax.fit(jax.random.key(0), mf(embedding_size=3), split, config=CONFIG, loss=bpr, progress=False)
    with Store.create(tmp_path / "s", trained, split=split, key=key, budget=PATIENT) as store:
        valid = store.split.valid
        positive = next(place for place in range(len(valid)) if valid.labels[place] > 0.5)
        user, item, group = valid.users[positive], valid.items[positive], valid.groups[positive]
        who, what = int(valid.user_ids[user]), str(valid.item_ids[item])
        store.forget(**({"items": [what]} if by == "item" else {"interactions": [(who, what)]}))
        left = store.split.valid
        of_user = {str(left.item_ids[i]) for u, i in zip(left.users, left.items, strict=True) if left.user_ids[u] == who}
        elsewhere = {str(valid.item_ids[i]) for i in valid.items[(valid.users == user) & (valid.groups != group)]}
        assert of_user == elsewhere - ({what} if by == "item" else set())
        sizes = np.unique(left.groups, return_counts=True)[1]
        assert set(sizes) <= {2, 3}
        assert len(on_disk(store)) == len(left)


def test_overlapping_validation_data_is_forgotten_with_what_was_learned(larger):
    """Without a store: somebody who trains and validates on the same pairs."""
    trained = ifru_jax.fit(
        jax.random.key(0), mf(embedding_size=3), Split(larger.train, larger.train, larger.train), config=CONFIG, progress=False
    )
    pairs = pairs_of(larger.train)
    gone, wrong = sorted(pairs)[2], sorted(pairs)[40]
    for config in (IFRUConfig(), IFRUConfig(scope=())):
        left, _ = ifru_jax.unlearn(trained, interactions=[gone], corrected=[(*wrong, 1 - pairs[wrong])], config=config)
        valid = left.record.valid
        ids = left.interactions.user_ids[valid.users], left.interactions.item_ids[valid.items]
        found = {(int(u), str(i)): float(y) for u, i, y in zip(*ids, valid.labels, strict=True)}
        assert found == {pair: 1 - y if pair == wrong else y for pair, y in pairs.items() if pair != gone}


def test_a_split_of_another_training_is_refused(tmp_path, fitted, larger):
    other = Split(larger.train, larger.test, larger.valid)
    with pytest.raises(DataError, match=r"interactions that stopped the training of the model are not in .*: give the split"):
        Store.create(tmp_path / "s", fitted, split=other)
    assert not any(tmp_path.iterdir())


def test_whoever_was_held_out_alone_is_left_out_and_told(tmp_path, split, key):
    """Nothing was learned from them, and so nothing of them is kept: neither the pairs nor the id."""
    user = int(split.train.user_ids[4])
    train = split.train.select(split.train.users != 4)
    assert (split.valid.users == 4).any()
    lone = Split(train, split.valid, split.test)
    with pytest.warns(DataWarning, match=r"of split.valid are of users or items without one that the model learned from"):
        store = Store.create(tmp_path / "s", prepared(train), split=lone, key=key, budget=PATIENT)
    with store:
        degrees = store.model.interactions.user_degrees()
        assert all(degrees[part.users].min() > 0 for part in store.split.parts)
        assert len(everything(store)) == sum(np.count_nonzero(part.users != 4) for part in lone.parts)
        assert user not in store.model.interactions.user_ids
        assert [one.found for one in store.forget(users=[user], missing="report").answers] == ["not in the data"]


def test_features_of_the_erased_are_gone_from_what_is_held_out(tmp_path, split, key):
    features = SideFeatures(("age",), (1,), np.arange(1, split.train.num_users + 1, dtype=np.float32)[:, None])
    given = split.of_parts(lambda part: replace(part, user_features=features))
    with Store.create(tmp_path / "s", prepared(given.train), split=given, key=key, budget=PATIENT) as store:
        row = int(store.model.interactions.user_rows([103])[0])
        store.forget(users=[103])
        for part in store.split.parts:
            assert not np.any(part.user_features.values[row])


def test_a_store_of_before_takes_what_stopped_its_training_for_held_out(tmp_path, fitted, key):
    """Its states have no file of it."""
    with Store.create(tmp_path / "s", fitted, key=key, budget=PATIENT) as store:
        (store.folder / "states" / store._opened.current.name / "held_out.npz").unlink()
    with Store.open(tmp_path / "s", key=key) as store:
        gone = next(iter(on_disk(store)))
        assert store.forget(interactions=[gone]).held_out == 1
        assert gone not in on_disk(store)
