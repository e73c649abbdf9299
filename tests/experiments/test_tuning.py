"""The search of hyper-parameters: it goes on where it stopped, and a comparison trains with what it chose."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from experiments.compare import Compare, compare
from experiments.reporting.records import read_records
from experiments.run.command_line import status_of
from experiments.run.hyperparameters import MODEL_CONFIGS, SHARD_CONFIGS, Choice, HyperParameters, hyper_parameters
from experiments.tuning import shards, whole_models
from experiments.tuning.__main__ import tune
from experiments.tuning.search import SEEDS, Setting, Tried, explore, search
from experiments.tuning.shards import choose, stages, subject, write_configs
from ifru_jax import DataError, TrainConfig

FIRST = Setting(1e-2, 64, 1e-3, 1e-2)


def result(setting, seed, auc, seconds=1.0):
    return Tried(("d", "mf", "sisa"), setting, seed, auc, seconds, {})


def confirmed(setting, auc, seconds=1.0):
    return [result(setting, seed, auc, seconds) for seed in SEEDS]


def test_the_search_starts_where_the_same_prior_weighs_as_much_and_follows_the_best():
    found = []
    tried = []
    whole = Setting(1e-3, 2048, 1e-5, 1e-2)
    for setting in explore(whole, stages(whole, None), found):
        tried.append(setting)
        found.append(result(setting, SEEDS[0], 1 - abs(np.log10(setting.reg / 3e-4))))
    # Ten shards: a tenth of the interactions.
    assert tried[0].reg == 1e-4
    assert {setting.reg for setting in tried[4:8]} == {3e-4}
    assert {setting.learning_rate for setting in tried[:4]} == {1e-2}
    assert len(set(tried)) == len(tried)

    found, tried = [], []
    for setting in explore(whole, stages(whole, FIRST), found):
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
    monkeypatch.setattr(shards, "EPOCHS", 3)
    monkeypatch.setattr(shards, "stages", lambda whole, first: [lambda best: [FIRST, replace(FIRST, learning_rate=3e-2)]])
    results, configs = tmp_path / "tuning.jsonl", tmp_path / "shards.json"
    search(subject(str(ratings), "mf", 0, "sisa", path=results))
    whole = results.read_text()
    # Two settings with all seeds, and the better one stopped sooner.
    assert len(read_records(results)) == 3 * len(SEEDS)

    lines = whole.splitlines(keepends=True)
    results.write_text("".join(lines[:-2]))
    search(subject(str(ratings), "mf", 0, "sisa", path=results))
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
    assert status_of(tune, "shards", data="no-such-data") == 2
    assert "no-such-data" in capsys.readouterr().err


@pytest.mark.slow
def test_a_setting_that_diverges_is_on_record_and_last(ratings, tmp_path, monkeypatch):
    wild = replace(FIRST, learning_rate=1e30)
    monkeypatch.setattr(shards, "EPOCHS", 3)
    monkeypatch.setattr(shards, "stages", lambda whole, first: [lambda best: [wild, FIRST]])
    monkeypatch.setattr(shards, "CONFIRMED", 1)
    search(subject(str(ratings), "mf", 0, "sisa", path=tmp_path / "tuning.jsonl"))
    records = read_records(tmp_path / "tuning.jsonl")
    assert records[0]["figures"]["valid_auc"] == 0
    assert (
        choose(subject(str(ratings), "mf", 0, "sisa", path=tmp_path / "tuning.jsonl").done)["learning_rate"] == FIRST.learning_rate
    )


def test_a_method_without_models_of_its_own_is_not_searched(ratings, tmp_path):
    with pytest.raises(DataError, match="'ifru' has no hyper-parameters of its own: choose among receraser, sisa"):
        subject(str(ratings), "mf", 0, "ifru", path=tmp_path / "tuning.jsonl")


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
@pytest.mark.usefixtures("compiled_once")
def test_a_comparison_takes_them(ratings, tmp_path, monkeypatch):
    def tuned(data, model, layers, *, objective, interactions):
        best = Choice(TrainConfig(1e-2, 64, 1e-3, epochs=2), 1e-2)
        own = Choice(TrainConfig(2e-2, 32, 1e-2, epochs=2), 1e-1)
        return HyperParameters(best, None, None, tuned=True, shards={"sisa": own})

    monkeypatch.setattr("experiments.run.setup.hyper_parameters", tuned)
    options = Compare(data=str(ratings), out=tmp_path, forget="interaction:0.05", methods="sisa,gradient", seeds=1)
    assert status_of(compare, options) == 0
    records = {r["method"]: r for r in read_records(tmp_path / "results.jsonl")}
    rates = {name: (r["config"]["training"]["learning_rate"], r["config"]["training"]["init_std"]) for name, r in records.items()}
    assert rates == {"original": (1e-2, 1e-2), "retrain": (1e-2, 1e-2), "gradient": (1e-2, 1e-2), "sisa": (2e-2, 1e-1)}
    assert records["sisa"]["figures"]["shards_retrained"] >= 1


def test_the_committed_searches_give_the_committed_choices(tmp_path):
    whole_models.write_configs(out=tmp_path / "models.json")
    write_configs(out=tmp_path / "shards.json")
    assert (tmp_path / "models.json").read_text() == MODEL_CONFIGS.read_text()
    assert (tmp_path / "shards.json").read_text() == SHARD_CONFIGS.read_text()


@pytest.mark.slow
def test_the_search_for_a_whole_model_goes_on_where_it_stopped(ratings, tmp_path, monkeypatch):
    monkeypatch.setattr(whole_models, "EPOCHS", 2)
    monkeypatch.setattr(whole_models, "STAGES", [lambda best: [FIRST], lambda best: [replace(best, learning_rate=3e-2)]])
    monkeypatch.setattr(whole_models, "BASELINES", whole_models.PROTOCOL)
    path, configs = tmp_path / "tuning.jsonl", tmp_path / "models.json"
    search(whole_models.subject(str(ratings), "mf", 0, path=path))
    lines = path.read_text().splitlines(keepends=True)
    # Two settings with all seeds, and the rates of the protocol.
    assert len(lines) == 2 * len(SEEDS) + 3
    path.write_text("".join(lines[:-2]))
    search(whole_models.subject(str(ratings), "mf", 0, path=path))
    kept = [{name: json.loads(line)[name] for name in ("candidate", "seed", "curve")} for line in path.read_text().splitlines()]
    assert kept == [{name: json.loads(line)[name] for name in ("candidate", "seed", "curve")} for line in lines]
    whole_models.write_configs(path, configs)
    assert set(json.loads(configs.read_text())[str(ratings)]["mf"]) == {"best", "protocol", "fastest"}
