"""Two processes with `jax.distributed` compute what one device does, and write one file."""

import jax
import numpy as np
import pytest

import ifru_jax
from tests.mesh import small


@pytest.fixture(scope="module")
def together(start_both, tmp_path_factory):
    """What both printed, and the folder with their files."""
    folder = tmp_path_factory.mktemp("together")
    return folder, start_both("two_processes.py", folder)


@pytest.mark.usefixtures("float64")
def test_two_processes_are_as_good_as_one(together):
    folder, said = together
    trained = small.fitted("mf")
    np.testing.assert_allclose(small.parameters(ifru_jax.load(folder / "fit.npz")), small.parameters(trained), rtol=0, atol=1e-10)
    of_folder, of_file = (small.everything(ifru_jax.load(folder / name)) for name in ("shards", "fit.npz"))
    np.testing.assert_array_equal(of_folder, of_file)
    for request in ("users", "confined"):
        trained, report = ifru_jax.unlearn(trained, **small.requests(small.split().train)[request])
    np.testing.assert_allclose(small.parameters(ifru_jax.load(folder / "left.npz")), small.parameters(trained), rtol=0, atol=1e-10)
    assert [one.pop("refused").split(": ")[-1] for one in said] == [
        "with sharded=True give the path of a folder.",
        "this one goes no further without it.",
    ]
    assert said[0]["same"]
    assert said[0] == said[1]
    assert said[0]["evaluation"] == pytest.approx(ifru_jax.evaluate(trained, small.split().test), abs=1e-10)
    assert said[0]["norm"] == pytest.approx(report.norm_step, abs=1e-10)
    assert jax.process_count() == 1
