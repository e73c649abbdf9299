"""The search of hyper-parameters for shards: it goes on where it stopped, and a comparison trains with what it chose."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from experiments import tune_shards
from experiments.compare import Compare, command
from experiments.hyperparameters import Choice, HyperParameters, hyper_parameters
from experiments.reporting import read_records
from experiments.tune_shards import SEEDS, Setting, choose, main, search, settings, write_configs
from ifru_jax import DataError, TrainConfig

FIRST = Setting(1e-2, 64, 1e-3, 1e-2)


def result(setting, seed, auc, seconds=1.0):
    return {
        "dataset": "d", "model": "mf", "method": "sisa", "seed": seed, "config": asdict(setting),
        "figures": {"valid_auc": auc, "seconds.fit": seconds},
    }  # fmt: skip


def confirmed(setting, auc, seconds=1.0):
    return [result(setting, seed, auc, seconds) for seed in SEEDS]


def test_the_search_starts_where_the_same_prior_weighs_as_much_and_follows_the_best():
    found = []
    tried = []
    whole = Choice(TrainConfig(1e-3, 2048, 1e-5), 1e-2)
    for setting in settings(found, whole=whole, first=None):
        tried.append(setting)
        found.append(result(setting, SEEDS[0], 1 - abs(np.log10(setting.reg / 3e-4))))
    # Ten shards: a tenth of the interactions.
    assert tried[0].reg == 1e-4
    assert {setting.reg for setting in tried[4:8]} == {3e-4}
    assert {setting.learning_rate for setting in tried[:4]} == {1e-2}
    assert len(set(tried)) == len(tried)

    found, tried = [], []
    for setting in settings(found, whole=whole, first=FIRST):
        tried.append(setting)
        found.append(result(setting, SEEDS[0], setting.reg))
    assert tried[0] == FIRST
    assert replace(FIRST, patience=3) in tried
    assert tried[-1] == Setting(1e-3, 2048, 1e-5, 1e-2)


def test_only_what_all_seeds_confirm_is_chosen():
    lucky, sound = replace(FIRST, reg=1e-4), FIRST
    assert choose([result(lucky, SEEDS[0], 0.9)]) is None
    assert choose([result(lucky, SEEDS[0], 0.9), *confirmed(sound, 0.7)]) == asdict(sound)


def test_of_equals_the_fastest_is_chosen():
    slow, fast = FIRST, replace(FIRST, patience=3)
    assert choose(confirmed(slow, 0.7002, 9.0) + confirmed(fast, 0.7, 2.0)) == asdict(fast)
    assert choose(confirmed(slow, 0.71, 9.0) + confirmed(fast, 0.7, 2.0)) == asdict(slow)


@pytest.mark.slow
def test_a_search_goes_on_where_it_stopped(ratings, tmp_path, monkeypatch):
    monkeypatch.setattr(tune_shards, "EPOCHS", 3)
    monkeypatch.setattr(tune_shards, "settings", lambda found, whole, first: iter([FIRST, replace(FIRST, learning_rate=3e-2)]))
    results, configs = tmp_path / "tuning.jsonl", tmp_path / "shards.json"
    search(str(ratings), "mf", 0, "sisa", results=results)
    whole = results.read_text()
    # Two settings with all seeds, and the better one stopped sooner.
    assert len(read_records(results)) == 3 * len(SEEDS)

    lines = whole.splitlines(keepends=True)
    results.write_text("".join(lines[:-2]))
    search(str(ratings), "mf", 0, "sisa", results=results)
    again = [(r["config"], r["seed"], r["figures"]["valid_auc"]) for r in read_records(results)]
    assert again == [(r["config"], r["seed"], r["figures"]["valid_auc"]) for r in map(json.loads, lines)]

    with results.open("a") as file:
        file.write(json.dumps(json.loads(lines[0]) | {"model": "gmf"}) + "\n")
    write_configs(results, configs)
    assert set(json.loads(configs.read_text())[str(ratings)]) == {"mf"}
    chosen = json.loads(configs.read_text())[str(ratings)]["mf"]["sisa"]
    assert chosen["batch_size"] == FIRST.batch_size


def test_nothing_finished_writes_nothing(tmp_path):
    configs = tmp_path / "shards.json"
    configs.write_text("{}")
    with pytest.raises(DataError, match=r"no search in missing.jsonl is finished"):
        write_configs(tmp_path / "missing.jsonl", configs)
    assert configs.read_text() == "{}"


def test_data_that_is_not_there_is_told_in_a_line(capsys):
    assert main(data="no-such-data") == 2
    assert "no-such-data" in capsys.readouterr().err


@pytest.mark.slow
def test_a_setting_that_diverges_is_on_record_and_last(ratings, tmp_path, monkeypatch):
    wild = replace(FIRST, learning_rate=1e30)
    monkeypatch.setattr(tune_shards, "EPOCHS", 3)
    monkeypatch.setattr(tune_shards, "settings", lambda found, whole, first: iter([wild, FIRST]))
    monkeypatch.setattr(tune_shards, "CONFIRMED", 1)
    search(str(ratings), "mf", 0, "sisa", results=tmp_path / "tuning.jsonl")
    records = read_records(tmp_path / "tuning.jsonl")
    assert records[0]["figures"]["valid_auc"] == 0
    assert choose(records)["learning_rate"] == FIRST.learning_rate


def test_a_method_without_models_of_its_own_is_not_searched(ratings, tmp_path):
    with pytest.raises(DataError, match="'ifru' has no hyper-parameters of its own: choose among receraser, sisa"):
        search(str(ratings), "mf", 0, "ifru", results=tmp_path / "tuning.jsonl")


def test_shards_are_trained_with_what_was_chosen_for_them(tmp_path):
    path = tmp_path / "shards.json"
    path.write_text(json.dumps({"ml-100k": {"mf": {"sisa": asdict(FIRST)}}}))
    found = hyper_parameters("ml-100k", "mf", 0, shard_configs=path)
    assert found.of("sisa") == Choice(TrainConfig(1e-2, 64, 1e-3), 1e-2)
    assert found.of("gradient") == found.of("") == found.best != found.of("sisa")
    assert found.of("receraser") == found.of("sisa")
    # What was chosen for cross-entropy is not what another objective wants.
    assert not hyper_parameters("ml-100k with bpr", "mf", 0, objective="bpr", shard_configs=path).shards


@pytest.mark.slow
def test_a_comparison_takes_them(ratings, tmp_path, monkeypatch):
    def tuned(data, model, layers, *, objective):
        best = Choice(TrainConfig(1e-2, 64, 1e-3, epochs=2), 1e-2)
        own = Choice(TrainConfig(2e-2, 32, 1e-2, epochs=2), 1e-1)
        return HyperParameters(best, None, None, tuned=True, shards={"sisa": own})

    monkeypatch.setattr("experiments.comparison_setup.hyper_parameters", tuned)
    options = Compare(data=str(ratings), out=tmp_path, forget="interaction:0.05", methods="sisa,gradient", seeds=1)
    assert command(options) == 0
    records = {r["method"]: r for r in read_records(tmp_path / "results.jsonl")}
    rates = {name: (r["config"]["training"]["learning_rate"], r["config"]["training"]["init_std"]) for name, r in records.items()}
    assert rates == {"original": (1e-2, 1e-2), "retrain": (1e-2, 1e-2), "gradient": (1e-2, 1e-2), "sisa": (2e-2, 1e-1)}
    assert records["sisa"]["figures"]["shards_retrained"] >= 1
