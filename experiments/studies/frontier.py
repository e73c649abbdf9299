"""What a request leaves undone against what it costs, in full gradients: how many products each segment of the record gets.

    IFRU_JAX_DATA=DIR python -m experiments.studies.frontier [--only ml-100k_mf] [--models DIR]

Matrix factorisation and LightGCN-1 on the development sets and MF on ml-1m, label noise of 2 %, five seeds: the share of the shift
on the forgotten pairs that is undone, and its slope, by the step from the end and by the one along the record, each with fewer
products and with more. The cost is counted and not timed: a product with the Hessian is two gradients, and a request takes

    14/3 + 2 · products in each segment of the record (two gradients, and E in two places, each a gradient and a third), 7/3 more
    in the first (a place more), and 13 for where training would have stopped;
    2 + 2 · products from the end

A line per cell and setting goes to experiments/results/frontier.jsonl, from which `python -m experiments.tables` fills
docs/step.md; what is there is not run again. About half an hour on two cores with originals that were kept (`--models`), and some
hours without.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from experiments import RESULTS
from experiments.run.baselines import retrain, train_original
from experiments.run.command_line import command
from experiments.run.model_store import KEEP_NOTHING, ModelStore
from experiments.run.progress import telling
from experiments.run.setup import set_up
from experiments.run.yardsticks import Yardsticks
from experiments.studies.cells import PAPER, ModelCell, append_cell, missing
from experiments.studies.step import DEVELOPMENT
from ifru_jax.unlearning import IFRUConfig, Prepared, forget, prepare

PATH = RESULTS / "frontier.jsonl"
FORGET, SEEDS = "noise:0.02", 5
CELLS = (*(ModelCell(data, *model) for data in DEVELOPMENT for model in PAPER), ModelCell("ml-1m", "mf", 0))


@dataclass(frozen=True)
class Setting:
    """How many products; all of them from the end where `early` is 0.

    Attributes:
      early: at the most, in each segment before the last.
      last: at the most, in the last.
      tolerance: at which there are enough.
    """

    early: int
    last: int
    tolerance: float = 0.0

    @property
    def name(self) -> str:
        """For the table."""
        if not self.early:
            return f"end, {self.last}"
        return f"{self.early}, {self.last}, {self.tolerance:g}"

    @property
    def config(self) -> IFRUConfig:
        """Of the request."""
        if not self.early:
            return IFRUConfig(follow=False, num_steps=self.last)
        return IFRUConfig(early_steps=self.early, segment_steps=self.last, segment_tolerance=self.tolerance)

    def gradients(self, products: float, segments: int) -> float:
        """Full gradients that a request takes, with a product for two."""
        return 2 * products + ((14 * segments + 7) / 3 + 13 if self.early else 2)


SETTINGS = (
    *(Setting(0, last) for last in (5, 10, 20)),
    *(Setting(2, 4, 0.5), Setting(2, 16, 0.5), Setting(4, 8, 0.5), Setting(4, 16, 0.3)),
    *(Setting(8, 16, 0.5), Setting(8, 16, 0.3), Setting(16, 16, 0.2), Setting(40, 40, 0.02)),
)


def frontier(only: str = "", models: Path | None = None) -> None:
    """Runs the cells that are missing.

    Args:
      only: those whose name contains it.
      models: folder to keep trained models in between runs.
    """
    console, store = Console(), KEEP_NOTHING if models is None else ModelStore(models)
    for cell in missing(CELLS, only, PATH):
        lines = []
        with telling(console) as tell:
            setup = set_up(cell.dataset, cell.model, cell.layers, FORGET)
            originals = [train_original(setup, seed, store=store) for seed in range(SEEDS)]
            retrained = [retrain(setup, original, seed, store=store)[0] for seed, original in enumerate(originals)]
            yardsticks = Yardsticks.of(setup, originals, retrained)
            states = [prepare(original) for original in originals]
            for setting in SETTINGS:
                lines.append({"setting": setting.name, "figures": _figures(setting, states, yardsticks)})
                tell(f"{cell.name}, {setting.name}")
        append_cell(PATH, cell, lines)
        for line in lines:
            console.print(cell.name, line["setting"], line["figures"])


def _figures(setting: Setting, states: list[Prepared], yardsticks: Yardsticks) -> dict[str, float | None]:
    done = [forget(state, yardsticks.setup.request, config=setting.config) for state in states]
    products = float(np.mean([report.solve.num_products for _, report in done if report.solve]))
    segments = len(states[0].record.segments) if states[0].record else 0
    found = yardsticks.over_seeds([yardsticks.scores(after) for after, _ in done])
    cost = {"products": products, "gradients": setting.gradients(products, segments)}
    return cost | {name: found[name] for name in ("forget_undone", "slope", "undone")}


if __name__ == "__main__":
    command(frontier, __doc__)
