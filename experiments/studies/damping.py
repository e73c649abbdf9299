"""How much to damp, in which metric, with which filter: the study behind the defaults.

    IFRU_JAX_DATA=DIR python -m experiments.studies.damping

Six cells (three data sets, MF and LightGCN-1, 2 % of noise, three seeds). One Krylov space per model and metric gives every ratio
c of the rule λ = |t_min| / c, with t_min as `prepare` finds it. About half an hour; a cell that is done is not run again. Appends
to experiments/results/damping.jsonl, from which `python -m experiments.tables` fills docs/damping_table.md.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from experiments import RESULTS
from experiments.reporting.records import append_record, environment, read_records
from experiments.run.baselines import retrain, train_original
from experiments.run.command_line import command, make_folder
from experiments.run.model_store import ModelStore
from experiments.run.models import ModelName
from experiments.run.progress import Tell, telling
from experiments.run.setup import Setup, set_up
from experiments.run.yardsticks import Yardsticks
from ifru_jax.graph import Change, Nodes
from ifru_jax.influence import right_hand_side
from ifru_jax.models import Params
from ifru_jax.solvers import FilterName, damping_path, lanczos
from ifru_jax.training import Trained
from ifru_jax.unlearning import IFRUConfig, prepare
from ifru_jax.unlearning.step import StepProblem, moved, scaled

PATH = RESULTS / "damping.jsonl"
EXPONENTS = (0.0, 0.3, 0.4, 0.5)
STEPS = (5, 10, 20)
RATIOS: dict[FilterName, tuple[float, ...]] = {"gradient-flow": (2.0, 2.5, 3.0, 3.5), "absolute": (2.5, 3.0, 3.5, 4.0)}
CELLS: tuple[tuple[str, ModelName, int], ...] = (
    ("ml-100k", "mf", 0),
    ("ml-100k", "lightgcn", 1),
    ("amazon", "mf", 0),
    ("bookcrossing", "lightgcn", 1),
    ("amazon", "lightgcn", 1),
    ("bookcrossing", "mf", 0),
)
SEEDS = 3
FIGURES = ("auc", "gap", "forget_gap", "forget_slope")


def variants() -> Iterator[IFRUConfig]:
    """Every exponent with the default number of steps, and the default exponent with other numbers of steps."""
    default = IFRUConfig()
    for name in RATIOS:
        yield from (replace(default, metric_exponent=exponent, filter=name) for exponent in EXPONENTS)
        yield from (replace(default, num_steps=steps, filter=name) for steps in STEPS if steps != default.num_steps)


def study(setup: Setup, store: ModelStore, tell: Tell) -> Iterator[dict]:
    """Records of one cell: a line per variant and ratio, figures averaged over `seed` seeds."""
    tell(f"{setup.dataset} {setup.model}: originals and retrained models")
    originals = [train_original(setup, seed, store=store) for seed in range(SEEDS)]
    retrained = [retrain(setup, original, seed, store=store)[0] for seed, original in enumerate(originals)]
    yardsticks = Yardsticks.of(setup, originals, retrained)
    configs = list(variants())
    for number, config in enumerate(configs, start=1):
        tell(f"{setup.dataset} {setup.model}: variant {number} of {len(configs)}")
        ratios = RATIOS[config.filter]
        found: dict[float, list[dict]] = {ratio: [] for ratio in ratios}
        for seed, original in enumerate(originals):
            for ratio, unlearned in zip(ratios, steps_of(original, setup, config, ratios), strict=True):
                found[ratio].append(yardsticks.figures(unlearned, yardsticks.originals[seed]))
        variant = {"exponent": config.metric_exponent, "num_steps": config.num_steps, "filter": config.filter}
        for ratio, of_ratio in found.items():
            yield {
                **{"dataset": setup.dataset, "model": setup.model, "forget": setup.forget, "method": "ifru", "seed": SEEDS},
                "config": variant | {"ratio": ratio},
                "environment": environment(),
                "figures": {name: float(np.mean([one[name] for one in of_ratio])) for name in FIGURES},
            }


def steps_of(trained: Trained, setup: Setup, config: IFRUConfig, ratios: tuple[float, ...]) -> Iterator[Trained]:
    """The model after the request, for each ratio."""
    state, change = prepare(trained, config=config), Change.of(trained.training_set, setup.request)
    rhs, _ = right_hand_side(state.objective, state.params, change)
    users, items = Nodes.everywhere(*change.before.sizes)
    rows = jnp.asarray(users), jnp.asarray(items)
    problem = StepProblem(state.objective, state.params, rhs, change.after.batch, rows, state.floor)
    steps = _path(config, problem, state.damping.scale / jnp.asarray(ratios))
    for place in range(len(ratios)):
        step = jax.tree.map(lambda leaf, at=place: leaf[at], steps)
        yield state.after(change, moved(state.model, state.params, step, change.after.examples))


@partial(jax.jit, static_argnums=0)
def _path(config: IFRUConfig, problem: StepProblem, dampings: jax.Array) -> Params:
    """The steps for all λ in `dampings` [k], from one Krylov space: δ [k, …]."""
    scale = scaled(config, problem)
    krylov = lanczos(num_steps=config.num_steps)(scale.product, scale.rhs)
    return jax.vmap(scale.to_params)(damping_path(krylov, dampings, filter=config.filter))


def damping(models: Path = Path("out/models")) -> None:
    """Runs the cells that are missing.

    Args:
      models: folder to keep trained models in between runs.
    """
    make_folder(models)
    done = {(r["dataset"], r["model"]) for r in read_records(PATH)}
    for data, model, layers in CELLS:
        setup = set_up(data, model, layers, "noise:0.02")
        if (setup.dataset, setup.model) in done:
            continue
        # A cell counts as done only when it is complete.
        with telling() as tell:
            records = list(study(setup, ModelStore(models), tell))
        for record in records:
            append_record(PATH, record)


if __name__ == "__main__":
    command(damping, __doc__)
