"""Two processes that each have the interactions of their own users compute what one process does that has all."""

import re

import jax
import numpy as np
import polars
import pytest

import ifru_jax
from tests.mesh import small


@pytest.fixture(scope="module")
def together(start_both, tmp_path_factory):
    """What both printed, and the folder with their files."""
    folder = tmp_path_factory.mktemp("shares")
    for name in ("data", "tiny"):
        (folder / name).mkdir()
    polars.DataFrame(small.tiny()).write_parquet(folder / "tiny" / "all.parquet", row_group_size=4)
    frame = polars.DataFrame(small.frame())
    for number, part in enumerate(frame.iter_slices(200)):
        part.write_parquet(folder / "data" / f"part-{number}.parquet", row_group_size=60)
    return folder, start_both("shares.py", folder)


@pytest.fixture(scope="module", params=["mf", "lightgcn"])
def one_process(request):
    """The name of a model, and what one process makes of it: the model after each request, and the reports."""
    with jax.enable_x64(True):
        split = small.split_of_frame(4)
        trained = ifru_jax.fit(jax.random.key(0), small.MODELS[request.param], split, config=small.CONFIG, progress=False)
        stages, reports = {"fit": trained}, {}
        for stage, asked in small.shared_requests().items():
            trained, reports[stage] = ifru_jax.unlearn(trained, **asked)
            stages[stage] = trained
    return request.param, stages, reports


@pytest.mark.usefixtures("float64")
def test_shares_compute_what_one_process_does(together, one_process):
    folder, said = together
    name, stages, reports = one_process
    for stage, expected in stages.items():
        found = ifru_jax.load(folder / f"{name}-{stage}")
        np.testing.assert_allclose(small.parameters(found), small.parameters(expected), rtol=0, atol=1e-10, err_msg=stage)
        if expected.record is not None:
            np.testing.assert_allclose(small.everything(found), small.everything(expected), rtol=1e-10, atol=1e-10, err_msg=stage)
        for column in ("users", "items", "labels", "user_ids", "item_ids"):
            same = (getattr(model.interactions, column) for model in (found, expected))
            np.testing.assert_array_equal(*same, err_msg=stage)
    for stage, report in reports.items():
        there = said[0]["reports"][f"{name}-{stage}"]
        assert there.pop("norm") == pytest.approx(report.norm_step, rel=1e-9)
        cleared = [report.cleared_users, report.cleared_items, report.users_taken_along, report.items_taken_along]
        counts = {"forgotten": report.forgotten, "corrected": report.corrected, "retained": report.retained, "parts": report.parts}
        assert there == {**counts, "cleared": cleared}, stage
    if name == "lightgcn":
        split, (model, *_) = small.split_of_frame(4), list(stages.values())[::-1]
        expected = ifru_jax.evaluate(model, split.test), ifru_jax.estimate(model, split.test, users=9)
        lists = list(ifru_jax.recommend(model, k=5).values())
        for one in said:
            assert one["evaluation"] == [pytest.approx(expected[0], abs=1e-10)] * 2
            assert one["estimate"] == {key: pytest.approx(list(of), abs=1e-10) for key, of in expected[1].items()}
            assert [[item for item, _ in of] for of in one["lists"]] == [[item for item, _ in of] for of in lists]
            assert one["compiled"] == 1
        again = ifru_jax.retrain(jax.random.key(3), model, ifru_jax.ForgetRequest(), split.valid)[0]
        found = ifru_jax.load(folder / "retrained")
        np.testing.assert_allclose(small.parameters(found), small.parameters(again), rtol=0, atol=1e-10)


REFUSED = [
    "a request with scope .* needs all interactions in one process, and this one has the share of users",
    "the neighbours of a node are of several processes: leave spillover at",
    "a single file needs all interactions in one process, .* save the model with sharded=True",
    "another numbering needs all interactions",
    "one device needs all interactions",
    "for 4 devices of several processes: put them over the mesh that they were read for",
    "has no interaction with item",
    "has no interaction in the data",
    "is to be forgotten and to be corrected|failed, and says why",
    "asks for all .* interactions: nothing is left",
    "1 users or items have more than 1 interactions, .* answer in one step",
    "label_above = 9 leaves .* with one kind of label: its ratings go from 1 to 5, choose a threshold in between",
]


def test_what_needs_all_interactions_is_refused_by_both(together):
    _, said = together
    for one in said:
        assert len(one["refused"]) == len(REFUSED), one["refused"]
        for text, expected in zip(one["refused"], REFUSED, strict=True):
            assert re.search(expected, text), text
    # One of the two knows why, and both end.
    assert sum("failed, and says why" in one["refused"][8] for one in said) == 1


def test_no_process_holds_more_than_its_share(together):
    _, said = together
    split = small.split_of_frame(4)
    parts = [len(part) for part in split.parts]
    assert [sum(of) for of in zip(*(one["parts"] for one in said), strict=True)] == parts
    assert all(0.4 * parts[0] < one["parts"][0] < 0.6 * parts[0] for one in said)
    assert split.dropped
    assert said[0]["dropped"] == said[1]["dropped"] == str(split.dropped)
    nodes = 2 * (split.train.num_users + split.train.num_items)
    for when in said[0]["held"]:
        both = [one["held"][when] for one in said]
        assert both[0]["all"] == both[1]["all"] == sum(one["interactions"] for one in both)
        for one in both:
            assert one["patterns"] <= one["interactions"] < 0.75 * one["all"]
            assert 0 < one["valid"] < 0.7 * parts[1]
            # Nor anything else that the model refers to; what there is of every user and item is no interaction.
            assert one["largest"] <= max(one["interactions"], nodes)
    assert all(one[f"{name} same"] for one in said for name in ("mf", "lightgcn"))


@pytest.mark.usefixtures("float64")
@pytest.mark.filterwarnings("ignore:there is no validation")
def test_a_process_may_have_nobody(together):
    folder, said = together
    assert [one["tiny"] for one in said] == [10, 0]
    columns = small.tiny()
    data = ifru_jax.Interactions.from_arrays(columns["user"], columns["item"], columns["rating"])
    expected, _ = ifru_jax.unlearn(small.fitted_to(ifru_jax.balanced(data, 4)), interactions=[(1, 3)])
    expected, _ = ifru_jax.unlearn(expected, items=[1], config=small.AT_ONCE)
    found = ifru_jax.load(folder / "tiny-left")
    np.testing.assert_allclose(small.everything(found), small.everything(expected), rtol=1e-10, atol=1e-10)
    np.testing.assert_array_equal(found.interactions.items, expected.interactions.items)
