"""Are the constants of the step from the end right on data that did not choose them? Whole data sets are left out in turn.

    IFRU_JAX_DATA=DIR python -m experiments.studies.no_record                   # all cells, smallest first
    IFRU_JAX_DATA=DIR python -m experiments.studies.no_record --only filmtrust  # those whose name contains it

What a model without a record of its training is unlearned by has two constants for tables: the exponent of the metric, and c of
the rule λ = |t_min| / c. Written before the first cell was run: of 24 pairs of both, what the other data sets choose is the pair
with the largest mean of *undone* on the forgotten pairs over their cells. Three seeds, 2 % of flipped labels, ten products.

A line per cell and pair goes to experiments/results/no_record.jsonl, from which `python -m experiments.tables` fills docs/step.md;
a cell that is done is not run again. One or two minutes a cell where its models are kept already, four for ml-1m.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from experiments import RESULTS
from experiments.run.baselines import retrain, train_original
from experiments.run.command_line import command
from experiments.run.model_store import KEEP_NOTHING, ModelStore
from experiments.run.progress import Tell, telling
from experiments.run.setup import Setup, set_up
from experiments.run.yardsticks import Yardsticks
from experiments.studies.cells import PAPER, ModelCell, append_cell, missing
from experiments.studies.damping import steps_of
from ifru_jax.unlearning import IFRUConfig

PATH = RESULTS / "no_record.jsonl"
EXPONENTS = (0.0, 0.2, 0.4, 0.6)
RATIOS = (1.5, 2.0, 2.5, 3.0, 3.5, 4.0)
SEEDS = 3
FIGURES = ("forget_undone", "slope", "undone")
DATA = ("filmtrust", "movielens-small", "ml-100k", "amazon", "bookcrossing", "yelp")
CELLS = (*(ModelCell(data, *of) for data in DATA for of in PAPER), ModelCell("ml-1m", "mf", 0))


def no_record(only: str = "", models: Path | None = None) -> None:
    """Runs what is missing.

    Args:
      only: cells whose name contains it.
      models: folder to keep trained models in between runs.
    """
    store = KEEP_NOTHING if models is None else ModelStore(models)
    for cell in missing(CELLS, only, PATH):
        with telling() as tell:
            lines = list(measured(set_up(cell.dataset, cell.model, cell.layers, "noise:0.02"), store, tell))
        append_cell(PATH, cell, [{"data": cell.dataset} | line for line in lines])


def measured(setup: Setup, store: ModelStore, tell: Tell) -> Iterator[dict]:
    """A line per pair of constants."""
    tell(f"{setup.dataset} {setup.model}: originals and retrained models")
    originals = [train_original(setup, seed, store=store) for seed in range(SEEDS)]
    retrained = [retrain(setup, original, seed, store=store)[0] for seed, original in enumerate(originals)]
    yardsticks = Yardsticks.of(setup, originals, retrained)
    for exponent in EXPONENTS:
        tell(f"{setup.dataset} {setup.model}: exponent {exponent}")
        config = replace(IFRUConfig(), metric_exponent=exponent)
        of_seeds = [list(map(yardsticks.scores, steps_of(original, setup, config, RATIOS))) for original in originals]
        for ratio, scores in zip(RATIOS, zip(*of_seeds, strict=True), strict=True):
            found = yardsticks.over_seeds(list(scores))
            yield {"exponent": exponent, "ratio": ratio, "figures": {name: found[name] for name in FIGURES}}


if __name__ == "__main__":
    command(no_record, __doc__)
