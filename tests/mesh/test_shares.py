"""Two processes that each have the interactions of their own users compute what one process does that has all."""

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
    (folder / "data").mkdir()
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
            np.testing.assert_allclose(small.everything(found), small.everything(expected), rtol=0, atol=1e-10, err_msg=stage)
        for column in ("users", "items", "labels", "user_ids", "item_ids"):
            same = (getattr(model.interactions, column) for model in (found, expected))
            np.testing.assert_array_equal(*same, err_msg=stage)
    for stage, report in reports.items():
        there = said[0]["reports"][f"{name}-{stage}"]
        assert there.pop("norm") == pytest.approx(report.norm_step, rel=1e-9)
        cleared = [report.cleared_users, report.cleared_items, report.users_taken_along, report.items_taken_along]
        counts = {"forgotten": report.forgotten, "corrected": report.corrected, "retained": report.retained, "parts": report.parts}
        assert there == {**counts, "cleared": cleared}, stage
