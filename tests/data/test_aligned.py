"""Data that was read anew, in the tables of data that was read before; and a proof without the erased data."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifru_jax import DataError, Interactions, Split, Trained, evaluate, mf, protocol_split, random_split, unlearn
from ifru_jax.data.alignment import UnknownWarning
from ifru_jax.interop.order import in_order
from ifru_jax.unlearning import Prepared
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.prepare import Damping

PAIRS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 5)), min_size=1, max_size=30, unique=True)


def of(pairs, kind=int):
    users, items = zip(*pairs, strict=True)
    return Interactions.from_arrays([kind(u) for u in users], [kind(i) for i in items], [(3 * u + i) % 4 for u, i in pairs])


def named(data):
    rows = zip(data.user_ids[data.users].tolist(), data.item_ids[data.items].tolist(), data.labels.tolist(), strict=True)
    return [(int(user), int(item), label) for user, item, label in rows]


@pytest.mark.filterwarnings("ignore::ifru_jax.data.alignment.UnknownWarning")
@given(PAIRS, PAIRS, st.sampled_from([int, str]))
def test_rows_are_those_of_the_tables_and_nothing_else_is_lost(old, new, kind):
    tables, data = of(old), of(new, kind)
    users, items = (set(column) for column in zip(*old, strict=True))
    expected = [(u, i, float((3 * u + i) % 4)) for u, i in new if u in users and i in items]
    if not expected:
        with pytest.raises(DataError, match="name users and items by the same ids"):
            data.aligned(to=tables)
        return
    found = data.aligned(to=tables)
    assert named(found) == expected
    assert (found.num_users, found.num_items) == (tables.num_users, tables.num_items)
    np.testing.assert_array_equal(found.user_ids, tables.user_ids)


def test_what_the_tables_do_not_have_is_counted():
    tables, data = of([(1, 1), (2, 2)]), of([(1, 1), (1, 9), (8, 1), (8, 2), (2, 1)])
    with pytest.warns(UnknownWarning, match=r"3 of 5 interactions .* \(1 users, 1 items\): they are left out"):
        assert len(data.aligned(to=tables)) == 2


def test_what_is_left_out_is_told_at_the_line_of_whoever_asked():
    tables, data = of([(1, 1), (2, 2)]), of([(1, 1), (8, 2)])
    ways = (
        lambda: data.aligned(to=tables),
        lambda: Split(data, data, data).aligned(tables),
        lambda: in_order(data, (2, 2), user_ids=[1, 2], item_ids=[1, 2]),
    )
    for way in ways:
        with pytest.warns(UnknownWarning) as caught:
            way()
        assert {one.filename for one in caught} == {__file__}


def test_erased_ids_are_nobodys():
    tables = of([(1, 1), (2, 2), (3, 1)]).erase_ids(np.array([1]), np.array([], np.int64))
    with pytest.warns(UnknownWarning, match="1 users, 0 items"):
        found = of([(1, 2), (2, 2)]).aligned(to=tables)
    assert [(user, item) for user, item, _ in named(found)] == [(1, 2)]


@pytest.fixture(scope="module")
def ratings():
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(30 * 25)[:500], 25)
    return 100 + users, items, rng.integers(1, 6, 500)


def write(path, columns):
    rows = "\n".join(",".join(map(str, row)) for row in zip(*columns, strict=True))
    path.write_text(f"user,item,rating\n{rows}\n")
    return path


def test_an_erasure_is_evaluated_without_the_erased_data(tmp_path, ratings):
    """The source loses user 107. What is read of it then gives the same other test pairs, in the rows of the model."""
    whole = write(tmp_path / "before.csv", ratings)
    split = protocol_split(Interactions.from_arrays(*ratings), label_above=3, k=2)
    model = mf(embedding_size=3, init_std=0.5)
    plain = Trained.of(model, model.init(jax.random.key(0), split.train.num_users, split.train.num_items), split.train)
    parts = plain.objective, plain.params, plain.training_set, plain.config
    unlearned, _ = unlearn(Prepared(*parts, step=IFRUConfig(num_steps=2), damping=Damping(0.5, 0.4)), users=[107])
    left = write(tmp_path / "after.csv", [column[ratings[0] != 107] for column in ratings])
    test = random_split(unlearned.read(left, label_above=3)).test.aligned(to=unlearned)
    expected = [row for row in named(split.test) if row[0] != 107]
    assert sorted(named(test)) == sorted(expected)
    np.testing.assert_array_equal(np.sort(test.users), np.sort(split.test.users[split.test.users != 7]))
    assert evaluate(unlearned, test, k=3) == pytest.approx(evaluate(unlearned, split.test, k=3), abs=1e-6)
    # The user's own rows are unknown to the unlearned model, should they still be in a file.
    with pytest.warns(UnknownWarning, match=r"\(1 users, 0 items\)"):
        assert len(unlearned.read(whole, label_above=3)) == (ratings[0] != 107).sum()


def test_ratings_are_not_taken_for_labels(tmp_path, ratings):
    path = write(tmp_path / "ratings.csv", ratings)
    data = Interactions.from_arrays(ratings[0], ratings[1], ratings[2] > 3)
    model = mf(embedding_size=3)
    trained = Trained.of(model, model.init(jax.random.key(0), data.num_users, data.num_items), data)
    with pytest.raises(DataError, match=r"go up to 5, labels of the model from 0 to 1: .* label_above=3"):
        trained.read(path)
    assert trained.read(path, label_above=3).labels.mean() == pytest.approx(data.labels.mean())
    with pytest.raises(DataError, match="is above 30: the highest is 5, choose a threshold below it"):
        trained.read(path, label_above=30)
    with pytest.raises(DataError, match=r"missing\.csv"):
        trained.read(tmp_path / "missing.csv")
