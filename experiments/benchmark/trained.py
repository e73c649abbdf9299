"""The trained models that the benchmarks ask to forget; kept between runs."""

from dataclasses import replace
from pathlib import Path

from experiments.run.baselines import train_original
from experiments.run.hyperparameters import Choice
from experiments.run.model_store import ModelStore
from experiments.run.models import ModelName
from experiments.run.setup import Setup, set_up
from ifru_jax.training import TrainConfig, Trained
from ifru_jax.unlearning import IFRUConfig, prepare

STORE = ModelStore(Path("out/models"))


def setup_of(data: str, model: ModelName, layers: int) -> Setup:
    """The comparison with 2 % label noise, from which the models are taken; data of positives alone has no labels to flip."""
    if data != "gowalla":
        return set_up(data, model, layers, "noise:0.02")
    # Nobody tuned for it, and a latency does not ask for the best model: large batches have one in a minute.
    setup = set_up(data, model, layers, "interaction:0.02")
    return replace(setup, params=replace(setup.params, best=Choice(TrainConfig(1e-2, 16_384, 1e-6, epochs=20, patience=3), 1e-3)))


def trained_model(data: str, model: ModelName, layers: int) -> Trained:
    """The original model of the first seed, prepared for confined requests too."""
    return prepare(train_original(setup_of(data, model, layers), 0, store=STORE), config=IFRUConfig(scope=(), follow=False))
