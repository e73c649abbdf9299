"""Eight virtual devices compute what one does, in double precision to 1e-10: training, requests, evaluation, files."""

import json
import re

import pytest

from experiments.studies.sharding import collectives

# ⌈61 / 8⌉ and ⌈43 / 8⌉; with three devices ⌈61 / 3⌉ and ⌈43 / 3⌉.
BLOCKS, OF_THREE = [6, 8], [15, 21]


@pytest.fixture(scope="module", params=["mf", pytest.param("lightgcn", marks=pytest.mark.slow)])
def found(request, start, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    running = start("eight_devices.py", str(folder), request.param, devices=8, dump=folder / "programs")
    out, errors = running.communicate(timeout=900)
    assert running.returncode == 0, errors[-4000:]
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    programs = {path.name: path.read_text() for path in (folder / "programs").glob("*after_optimizations.txt")}
    return {one["check"]: one for one in lines} | {"programs": programs}


def checked(found) -> dict[str, dict]:
    return {name: one for name, one in found.items() if name != "programs"}


def test_a_product_takes_two_exchanges_of_the_rows_that_a_device_touches(found):
    """Read from the compiled program, as the table in docs/devices.md is; a minibatch sends its own rows and gathers nothing."""
    traffic = found["traffic"]
    assert traffic["exchanges"] == 2
    assert traffic["sent in a product"] <= traffic["two exchanges"]
    assert traffic["gathered"] == 0
    assert traffic["memory"] < traffic["memory of one"] / 3


def test_no_program_gathers_a_table_or_the_data(found):
    """Validation scores are sorted, and lists made of what each device found; the tables have 64 and 48 rows of 4 numbers."""
    gathered = [
        (name, one)
        for name, text in found["programs"].items()
        for one in collectives(text)
        if one.kind == "all-gather" and not re.search("sort|top_k", one.where)
    ]
    assert len(found["programs"]) > 100
    # The grid of 7 users is asked for as a whole.
    assert not [(name, one) for name, one in gathered if one.size >= 48 * 4 * 8 and one.size != 7 * 48 * 8]


def test_every_number_is_that_of_one_device(found):
    errors = {name: one["error"] for name, one in checked(found).items() if "error" in one}
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
    assert all(one.get("same report", True) for one in checked(found).values())
    assert found["lists"]["same"]
    assert found["in parts"]["parts"] > 1


def test_each_device_has_its_block_of_rows_and_no_more(found):
    assert all(one["blocks"] == BLOCKS for name, one in checked(found).items() if "blocks" in one and name != "after")
    assert found["after"]["blocks"] == OF_THREE


def test_shared_weights_are_on_every_device_and_tables_are_not(found):
    if "shared" not in found:
        pytest.skip("of MF and NeuMF")
    assert found["rows alone"]["whole"] == []
    kernels = ["gmf_output", "mlp_output", "tower/bias_0", "tower/kernel_0"]
    assert found["shared"]["whole"] == found["shared, forgotten"]["whole"] == kernels


def test_a_loss_over_all_pairs_does_not_count_rows_that_fill_up_tables(found):
    if "all pairs, forgotten" not in found:
        pytest.skip("of MF")
    assert found["all pairs, forgotten"]["error"] < 1e-10
    assert found["all pairs, forgotten"]["whole"] == []


def test_another_request_compiles_nothing(found):
    assert found["again"]["compiled"] == 0


def test_a_folder_of_shards_is_read_on_any_number_of_devices_bit_for_bit(found):
    for saved in ("shards", "shards of three"):
        assert found[saved]["error"] == 0
        assert found[saved]["rows"] == [[22, 31], BLOCKS]


def test_a_file_tells_nothing_of_the_devices(found):
    assert found["restored"]["same shapes"]
    assert found["fit"]["segments"] == 2
