"""Records: written line by line, read back, mended after a crash."""

import json
import os
import platform
import warnings

import numpy as np
import pytest

from experiments.reporting.privacy import without_data
from experiments.reporting.records import append_record, environment, read_records
from ifru_jax.errors import DataError


def record(method="ifru", seed=0, **figures):
    return {
        "dataset": "ml-100k",
        "model": "mf",
        "forget": "noise:0.02",
        "method": method,
        "seed": seed,
        "figures": figures,
        "config": {"reg": 1e-5},
        "environment": {"jax": "0.7"},
    }


def test_records_come_back_as_written(tmp_path):
    path = tmp_path / "results.jsonl"
    assert read_records(path) == []
    written = [record("original", 0, auc=0.75, gap=None), record("ifru", 1, auc=0.5, new_figure=1)]
    for one in written:
        append_record(path, one)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_records(path) == written
    assert len(path.read_text().splitlines()) == 2


def test_nan_becomes_null(tmp_path):
    append_record(tmp_path / "r.jsonl", record(auc=np.float32(np.nan), gap=float("inf"), rms=np.float64(2)))
    assert read_records(tmp_path / "r.jsonl")[0]["figures"] == {"auc": None, "gap": None, "rms": 2.0}
    assert "NaN" not in (tmp_path / "r.jsonl").read_text()


@pytest.mark.parametrize("bytes_kept", [1, 20, 100])
def test_a_torn_last_line_is_cut_off_and_can_be_written_again(tmp_path, bytes_kept):
    path = tmp_path / "results.jsonl"
    for seed in range(2):
        append_record(path, record(seed=seed))
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second[:bytes_kept])
    with pytest.warns(UserWarning, match="torn"):
        assert read_records(path) == [record(seed=0)]
    assert path.read_bytes() == first
    assert os.listdir(tmp_path) == ["results.jsonl"]

    path.write_bytes(first + second[:bytes_kept])
    with pytest.warns(UserWarning, match="torn"):
        append_record(path, record(seed=1))
    assert path.read_bytes() == first + second


def test_a_last_line_that_lost_only_its_newline_is_kept(tmp_path):
    path = tmp_path / "results.jsonl"
    append_record(path, record(seed=0))
    path.write_bytes(path.read_bytes()[:-1])
    append_record(path, record(seed=1))
    assert [one["seed"] for one in read_records(path)] == [0, 1]


def test_a_bad_line_in_the_middle_is_an_error(tmp_path):
    path = tmp_path / "results.jsonl"
    path.write_text('{"torn\n' + json.dumps(record()) + "\n")
    with pytest.raises(DataError, match=r"line 1 of results\.jsonl"):
        read_records(path)


@pytest.mark.parametrize("change", [{"seed": "0"}, {"seed": True}, {"figures": None}, {"config": None}, {"method": 3}], ids=str)
def test_a_record_of_another_form_is_refused(tmp_path, change):
    with pytest.raises(DataError, match=next(iter(change))):
        append_record(tmp_path / "r.jsonl", {**record(), **change})
    assert not (tmp_path / "r.jsonl").exists()


def test_forgotten_data_in_a_configuration_is_withheld(tmp_path):
    config = {
        "embedding_size": 48,
        "num_users": 943,
        "label_above": 3,
        "ratios": [1.0, 0.5],
        "request": {"users": [71, 72]},
        "unlearning": {"forget_users": np.array([71, 72]), "user": 73, "damping": np.array(0.5)},
    }
    shown = without_data(config)
    assert shown["unlearning"] == {"forget_users": "(2 withheld)", "user": "(withheld)", "damping": 0.5}
    assert {name: shown[name] for name in ("embedding_size", "num_users", "label_above", "ratios")} == {
        name: config[name] for name in ("embedding_size", "num_users", "label_above", "ratios")
    }
    append_record(tmp_path / "r.jsonl", {**record(), "config": config})
    text = (tmp_path / "r.jsonl").read_text()
    assert not any(number in text for number in ("71", "72", "73"))


def test_the_environment_names_versions_but_not_the_machine():
    found = environment()
    assert found["jax"].count(".") >= 2
    assert found["cpu_count"] >= 1
    assert found["memory_gib"] > 0
    assert isinstance(found["device"], str)
    text = json.dumps(found, allow_nan=False)
    assert "/" not in text
    assert platform.node() not in text
