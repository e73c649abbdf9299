"""Eight virtual devices compute what one does, in double precision to 1e-10: training, requests, evaluation, files."""

import json

import pytest

# ⌈61 / 8⌉ and ⌈43 / 8⌉; with three devices ⌈61 / 3⌉ and ⌈43 / 3⌉.
BLOCKS, OF_THREE = [6, 8], [15, 21]


@pytest.fixture(scope="module", params=["mf", pytest.param("lightgcn", marks=pytest.mark.slow)])
def found(request, start, tmp_path_factory):
    running = start("eight_devices.py", str(tmp_path_factory.mktemp("models")), request.param, devices=8)
    out, errors = running.communicate(timeout=900)
    assert running.returncode == 0, errors[-4000:]
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    return {one["check"]: one for one in lines}


def test_every_number_is_that_of_one_device(found):
    errors = {name: one["error"] for name, one in found.items() if "error" in one}
    assert errors.keys() >= {
        "given",
        "noise",
        "users",
        "corrected",
        "confined",
        "in parts",
        "evaluation",
        "fit",
        "along",
        "restored",
    }
    assert max(errors.values()) < 1e-10, errors
    assert found["given"]["error"] == 0


def test_reports_and_lists_are_the_same(found):
    assert all(one.get("same report", True) for one in found.values())
    assert found["lists"]["same"]
    assert found["in parts"]["parts"] > 1


def test_each_device_has_its_block_of_rows_and_no_more(found):
    assert all(one["blocks"] == BLOCKS for name, one in found.items() if "blocks" in one and name != "after")
    assert found["after"]["blocks"] == OF_THREE


def test_a_file_tells_nothing_of_the_devices(found):
    assert found["restored"]["same shapes"]
    assert found["fit"]["segments"] == 2
