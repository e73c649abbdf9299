"""The protocol of published benchmarks: split, objectives, figures, and trainings that go on where they stopped."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.pages.published import REFERENCES, found_in
from experiments.published.contestants import Contestant, build
from experiments.published.protocol import positives, ranking, split_by_user
from experiments.published.runs import run, train_missing
from experiments.published.training import Data, Recipe, softmax_of_users, with_negatives
from experiments.reporting.records import read_records
from ifru_jax.data import Interactions
from ifru_jax.evaluation.membership.shadows import join
from ifru_jax.graph import build_training_set
from ifru_jax.training import FullSoftmax, Objective, Trained, bpr


@pytest.fixture(scope="module")
def data():
    """Two groups of users, each with its half of 40 items."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(60), 12)
    items = np.concatenate([rng.permutation(20)[:12] + 20 * (u % 2) for u in range(60)])
    return Interactions.from_arrays(users, items, rng.integers(1, 6, len(users)))


@pytest.fixture(scope="module")
def split(data):
    return split_by_user(positives(data, least=1))


def test_positives_are_the_ratings_from_three_on(data):
    kept = positives(data)
    assert len(kept) == (data.labels >= 3).sum()
    assert (kept.labels == 1).all()


def test_every_user_gives_a_tenth_to_test_and_to_valid(split):
    assert (split.test.user_degrees() == 1).all()
    assert (split.valid.user_degrees() == 1).all()
    parts = [set(zip(part.users, part.items, strict=True)) for part in split.parts]
    assert len(set.union(*parts)) == sum(len(part) for part in parts) == 720


def test_small_users_keep_one_interaction_in_train():
    few = Interactions.from_arrays([0, 1, 1, 2, 2, 2], [0, 0, 1, 0, 1, 2])
    split = split_by_user(few)
    assert split.train.user_degrees().tolist() == [1, 1, 1]
    assert split.valid.user_degrees().tolist() == [0, 0, 1]
    assert split.test.user_degrees().tolist() == [0, 1, 1]


def test_the_order_of_rows_decides_nothing(data):
    chosen = positives(data)
    turned = split_by_user(chosen.select(np.arange(len(chosen))[::-1]))
    for part, other in zip(split_by_user(chosen).parts, turned.parts, strict=True):
        assert set(zip(part.users, part.items, strict=True)) == set(zip(other.users, other.items, strict=True))


def test_softmax_of_users_is_the_full_softmax_of_the_library(split):
    entry, recipe = Contestant("lightgcn", "full-softmax", ()), Recipe(1e-2, 0.0, init_std=0.5, layers=1)
    model, training_set = build(entry, recipe), build_training_set(split.train)
    params = model.init(jax.random.key(0), split.train.num_users, split.train.num_items)
    expected = Objective(model, FullSoftmax(), 1.0, 0.0).losses(params, training_set.batch)
    users = jnp.arange(split.train.num_users)
    actual = softmax_of_users(model, params, training_set.graph, users, jnp.ones(len(users)), Data.of(split.train).positive)
    np.testing.assert_allclose(actual, expected, rtol=1e-4)


def test_sampled_negatives_are_behind_their_positive_and_not_in_train(split):
    data = Data.of(split.train)
    which = jnp.arange(len(data.users))
    examples = with_negatives(jax.random.key(0), data, which, 3)
    users, items = (np.asarray(x).reshape(-1, 4) for x in (examples.pairs.users, examples.pairs.items))
    np.testing.assert_array_equal(users[:, 0], split.train.users)
    np.testing.assert_array_equal(items[:, 0], split.train.items)
    # A quarter of the items are positives of the user, so four draws miss one time in 256.
    assert np.asarray(data.positive)[users[:, 1:], items[:, 1:]].mean() < 0.02
    assert float(bpr.summed(jnp.zeros(examples.labels.size), examples)) == pytest.approx(3 * len(which) * np.log(2), rel=1e-4)


def test_ranking_leaves_out_what_was_seen_and_counts_precision_of_ten(split):
    """A model that knows the answer: recall and MRR 1, one hit in ten."""

    class Knowing:
        def score(self, params, pairs, graph):
            return params["liked"][pairs.users, pairs.items]

        num_hops, tables, history_length, turning = 0, {}, 0, False

    seen = join(split.train, split.valid)
    liked = np.zeros((60, 40), np.float32)
    liked[split.test.users, split.test.items] = 1
    liked[seen.users, seen.items] = 2
    trained = Trained.of(Knowing(), {"liked": jnp.asarray(liked)}, split.train)
    figures = ranking(trained, seen, split.test, batch=32)
    assert figures["recall@10"] == figures["mrr@10"] == figures["hr@10"] == 1
    assert figures["precision@10"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("model", "objective", "options"),
    [
        ("mf", "bpr", {"batch_size": 128}),
        ("multvae", "full-softmax", {"dropout": 0.5}),
        pytest.param("neumf", "bce", {"batch_size": 128}, marks=pytest.mark.slow),
        pytest.param("simgcl", "full-softmax", {"layers": 1, "contrast": 0.1}, marks=pytest.mark.slow),
        pytest.param("mf", "bpr-fixed", {"batch_size": 128, "negatives": 2}, marks=pytest.mark.slow),
    ],
)
def test_every_objective_trains(split, model, objective, options):
    recipe = Recipe(3e-2, 1e-5, init_std=0.1, epochs=6, every=3, **({"batch_size": 16} | options))
    figures = run(Contestant(model, objective, ()), recipe, split, 0)
    # At random a third of the users would be hit: 10 of 29 items.
    assert figures["test.hr@10"] > 0.5
    assert figures["epochs"] <= 6


def test_what_is_done_is_not_run_again(data, tmp_path, capsys):
    lines = [f"{u},{i},{int(y)}" for u, i, y in zip(data.users, data.items, data.labels, strict=True)]
    (tmp_path / "small.csv").write_text("user,item,rating\n" + "\n".join(lines) + "\n")
    recipes = tuple(Recipe(3e-2, reg, init_std=0.1, batch_size=16, epochs=2) for reg in (1e-5, 1e-3))
    contestants, path = (Contestant("mf", "full-softmax", recipes),), tmp_path / "published.jsonl"
    options = {"seeds": 2, "path": path}
    data = str(tmp_path / "small.csv")
    assert train_missing(data, contestants, **options) == 3  # both settings once, the better one with another seed
    assert train_missing(data, contestants, **options) == 0
    (found,) = found_in(read_records(path))
    assert (found.tried, len(found.runs)) == (2, 2)
    assert found.ratio == pytest.approx(found.mean("test.ndcg@10") / REFERENCES["mf"][2][2])
    assert "seed 1" in capsys.readouterr().out

    # What time cut off is run again where there is more, and then counts once.
    records = read_records(path)
    for record in records:
        if record["seed"] == 1:
            record["figures"]["stopped"] = "time"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert train_missing(data, contestants, **options) == 0
    assert train_missing(data, contestants, **options, max_seconds=151.0) == 1
    (again,) = found_in(read_records(path))
    assert [r["figures"]["stopped"] for r in again.runs] == [found.runs[0]["figures"]["stopped"], "epochs"]
