"""The step along the training against the step from its end, on data that chose it and on data that did not.

    IFRU_JAX_DATA=DIR python -m experiments.studies.step                       # all cells, smallest first
    IFRU_JAX_DATA=DIR python -m experiments.studies.step --only filmtrust_mf   # those whose name contains it

What chose what is written in docs/step.md. A line per cell and variant goes to experiments/results/step.jsonl, from which
`python -m experiments.tables` fills docs/step.md; a cell that is done is not run again, and a run that was cut off goes on
with the next one. How long it takes was not recorded: ten trainings a cell, and the requests.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape

from experiments import RESULTS
from experiments.reporting.records import append_record, environment, read_records
from experiments.run.baselines import retrain, train_original
from experiments.run.command_line import command
from experiments.run.model_store import KEEP_NOTHING, ModelStore
from experiments.run.models import ModelName
from experiments.run.progress import telling
from experiments.run.setup import set_up
from experiments.run.yardsticks import Yardsticks
from experiments.studies.cells import PAPER, chosen
from ifru_jax.errors import IfruError
from ifru_jax.evaluation import PairScores
from ifru_jax.training import Trained
from ifru_jax.unlearning import IFRUConfig, Prepared, forget, prepare

PATH = RESULTS / "step.jsonl"
DEVELOPMENT, CONFIRMATION = ("filmtrust", "movielens-small", "ml-100k", "amazon"), ("bookcrossing", "yelp", "gowalla", "ml-1m")
# Of data that is trained on in seconds, by the paper's models; of models whose training takes minutes.
SEEDS = {"filmtrust": 10, "movielens-small": 10, "ml-100k": 10, "bookcrossing": 10, "yelp": 10}
SLOW = {"simgcl": 3}
OTHERS: tuple[tuple[ModelName, int], ...] = (
    *(("bias-mf", 0), ("gmf", 0), ("fm", 0), ("neumf", 0), ("deepfm", 0)),
    *(("ngcf", 1), ("simgcl", 1), ("multvae", 0), ("sasrec", 0)),
)


@dataclass(frozen=True)
class StudyCell:
    """A data set, a model and a request, with so many seeds.

    Attributes:
      segments: K of records that are tried beside the default.
    """

    data: str
    model: ModelName
    layers: int
    forget: str = "noise:0.02"
    seeds: int = 5
    segments: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """Of the cell."""
        return f"{self.data}_{self.model}{f'-{self.layers}' if self.layers else ''}_{self.forget}"


CELLS = (
    *(StudyCell(data, "mf", 0, seeds=SEEDS.get(data, 5), segments=(1, 2, 6)) for data in DEVELOPMENT),
    *(StudyCell(data, "lightgcn", 1, seeds=SEEDS.get(data, 5)) for data in DEVELOPMENT),
    *(StudyCell(data, "mf", 0, forget) for data in ("filmtrust", "ml-100k") for forget in ("user:0.05", "correct:0.02")),
    *(StudyCell(data, "lightgcn", 1, forget) for data in ("filmtrust", "ml-100k") for forget in ("user:0.05", "correct:0.02")),
    *(StudyCell(data, model, layers, seeds=SEEDS[data]) for data in ("bookcrossing", "yelp") for model, layers in PAPER),
    *(StudyCell(data, "lightgcn", 2, seeds=SEEDS[data]) for data in ("filmtrust", "movielens-small", "ml-100k")),
    # Its interactions have no time, which a sequence needs.
    *(StudyCell("filmtrust", model, layers) for model, layers in OTHERS if model != "sasrec"),
    *(StudyCell("ml-100k", model, layers, seeds=SLOW.get(model, 5)) for model, layers in OTHERS),
    StudyCell("ml-1m", "mf", 0),
    StudyCell("gowalla", "mf", 0, seeds=3),
    *(StudyCell(data, "lightgcn", 2, seeds=SEEDS.get(data, 5)) for data in ("amazon", "bookcrossing", "yelp")),
    *(StudyCell(data, "lightgcn", layers, seeds=3) for data in ("gowalla", "ml-1m") for layers in (1, 2)),
)


def step(only: str = "", models: Path | None = None) -> int:
    """Runs the cells that are missing.

    Args:
      only: those whose name contains it.
      models: folder to keep trained models in between runs.

    Returns:
      The number of cells that failed.
    """
    console = Console()
    done = {record["cell"] for record in read_records(PATH)}
    missing = [cell for cell in chosen(CELLS, only) if cell.name not in done]
    failed = 0
    for number, cell in enumerate(missing, start=1):
        console.print(f"{number} of {len(missing)}: {cell.name}")
        records = []
        try:
            with telling(console) as tell:
                for record in study(cell, KEEP_NOTHING if models is None else ModelStore(models)):
                    records.append(record)
                    tell(f"{cell.name}, after {record['method']}")
        except IfruError as error:
            console.print(f"[bold red]error:[/] {escape(str(error))}")
            failed += 1
            continue
        # A cell counts as done only when it is complete.
        for record in records:
            append_record(PATH, record)
            found = record["figures"]
            console.print(record["method"], {name: found.get(name) for name in ("forget_undone", "slope", "undone", "auc")})
    return failed


def study(cell: StudyCell, store: ModelStore) -> Iterator[dict]:
    """Records of one cell: a line per variant, and one each of the originals and the retrained models."""
    setup = set_up(cell.data, cell.model, cell.layers, cell.forget)
    originals = [train_original(setup, seed, store=store) for seed in range(cell.seeds)]
    retrained = [retrain(setup, original, seed, store=store)[0] for seed, original in enumerate(originals)]
    yardsticks = Yardsticks.of(setup, originals, retrained)

    def record(method: str, scores: list[PairScores], products: float | None = None) -> dict:
        names = {"dataset": setup.dataset, "model": setup.model, "forget": setup.forget, "method": method, "seed": cell.seeds}
        itself = range(cell.seeds) if method == "retrain" else [None] * cell.seeds
        each = [yardsticks.figures_of(one, yardsticks.originals[k], itself=itself[k]) for k, one in enumerate(scores)]
        figures = {name: _mean([one[name] for one in each]) for name in ("auc", "gap", "forget_gap")}
        figures |= {"auc_std": float(np.std([one["auc"] for one in each], ddof=1)), "products": products}
        # A retrained model is no further from itself.
        figures |= {} if method == "retrain" else yardsticks.over_seeds(scores)
        return names | {"cell": cell.name, "figures": figures, "config": {}, "environment": environment()}

    def answered(method: str, states: Sequence[Trained], config: IFRUConfig) -> dict:
        done = [forget(state, setup.request, config=config) for state in states]
        products = _mean([report.solve.num_products for _, report in done if report.solve])
        return record(method, [yardsticks.scores(after) for after, _ in done], products)

    yield record("original", yardsticks.originals)
    yield record("retrain", yardsticks.retrained)
    along = [prepare(original) for original in originals]
    yield answered("end", along, IFRUConfig(follow=False))
    yield answered("along", [_stopped(state) for state in along], IFRUConfig())
    yield answered("along and on", along, IFRUConfig())
    for segments in cell.segments:
        train = replace(setup.params.best.train, record=segments)
        other = replace(setup, params=replace(setup.params, best=replace(setup.params.best, train=train)))
        states = [prepare(train_original(other, seed, store=store)) for seed in range(cell.seeds)]
        yield answered(f"along and on, K = {segments}", states, IFRUConfig())


def _stopped(state: Prepared) -> Prepared:
    """The same, of a training that stops where it did whatever is forgotten."""
    assert state.record is not None
    return state.with_record(replace(state.record, peak=None))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None


if __name__ == "__main__":
    command(step, __doc__)
