"""Files that nobody tuned for, parts of the data sets and others: what a request undoes there.

    IFRU_JAX_DATA=DIR python -m experiments.studies.parts [--only yelp] [--models DIR]

A share of the users or of the items of a data set, drawn once, is written as the file that somebody might have: no name of ours, so
that threshold, split and hyper-parameters are those of unknown data. Shapes differ from those of the whole: few items with many
ratings, sparser, shorter trainings. MF and LightGCN with one and two layers, 2 % of flipped labels, five seeds. These cells choose
no constant; what momentum makes of P was found on some of them (docs/step.md). A line per cell goes to
experiments/results/parts.jsonl, from which `python -m experiments.tables` fills docs/step.md; what is there is not run again.
Twenty minutes on two cores.

The others are data sets that were looked at once everything was chosen: docs/step.md says where they come from. They are read from
the folder, as NAME.csv.gz with user, item and rating; two minutes to half an hour each.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console

from experiments import RESULTS
from experiments.run.baselines import retrain, train_original
from experiments.run.command_line import command
from experiments.run.model_store import KEEP_NOTHING, ModelStore
from experiments.run.models import ModelName
from experiments.run.progress import telling
from experiments.run.setup import Setup, set_up
from experiments.run.yardsticks import Yardsticks
from experiments.studies.cells import PAPER, ModelCell, append_cell, missing
from ifru_jax.data import load_dataset
from ifru_jax.files import write_atomic
from ifru_jax.models.recommender import Side
from ifru_jax.unlearning import forget, prepare

PATH = RESULTS / "parts.jsonl"
FORGET, SEEDS = "noise:0.02", 5


@dataclass(frozen=True)
class Part:
    """A share of the users or of the items of a data set, with all of their ratings."""

    dataset: str
    side: Side
    share: float

    @property
    def name(self) -> str:
        """That of its file."""
        return f"{self.dataset}-{self.side}s-{self.share:g}"

    def write(self, folder: Path) -> Path:
        """The file, as CSV."""
        data = load_dataset(self.dataset).interactions
        rows, count = (data.users, data.num_users) if self.side == "user" else (data.items, data.num_items)
        drawn = np.random.default_rng(0).permutation(count)[: round(self.share * count)]
        kept = data.select(np.isin(rows, drawn))
        path, columns = folder / f"{self.name}.csv", (kept.users, kept.items, kept.labels)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        write_atomic(path, "".join(f"{user},{item},{rating}\n" for user, item, rating in (("user", "item", "rating"), *rows)))
        return path


PARTS = (
    Part("ml-1m", "item", 0.05),
    Part("bookcrossing", "item", 0.5),
    Part("amazon", "user", 0.35),
    Part("yelp", "item", 0.35),
    Part("ml-1m", "user", 0.12),
)
# Threshold of the positives, where it is not the middle of the scale, by the name of the file.
FILES: dict[str, float | None] = {
    "bookcrossing-dense": None,
    "movietweetings": None,
    "steam": 4.0,
    "lastfm": 260.0,
    "ciao": None,
    "anime": None,
}
MODELS: tuple[tuple[ModelName, int], ...] = (*PAPER, ("lightgcn", 2))
CELLS = tuple(ModelCell(name, model, layers) for name in (*(part.name for part in PARTS), *FILES) for model, layers in MODELS)


def parts(only: str = "", models: Path | None = None) -> None:
    """Runs the cells that are missing.

    Args:
      only: those whose name contains it.
      models: folder to keep trained models in between runs.
    """
    console, store = Console(), KEEP_NOTHING if models is None else ModelStore(models)
    named = {part.name: part for part in PARTS}
    for cell in missing(CELLS, only, PATH):
        with telling(console) as tell, TemporaryDirectory() as folder:
            tell(cell.name)
            part = named.get(cell.dataset)
            data = cell.dataset if part is None else str(part.write(Path(folder)))
            setup = set_up(data, cell.model, cell.layers, FORGET, label_above=FILES.get(cell.dataset))
            found = undone(setup, store)
        append_cell(PATH, cell, [found])
        console.print(cell.name, found)


def undone(setup: Setup, store: ModelStore) -> dict[str, Any]:
    """How large the data is, and the figures of one cell."""
    train = setup.split.train
    originals = [train_original(setup, seed, store=store) for seed in range(SEEDS)]
    retrained = [retrain(setup, original, seed, store=store)[0] for seed, original in enumerate(originals)]
    unlearned = [forget(prepare(original), setup.request)[0] for original in originals]
    yardsticks = Yardsticks.of(setup, originals, retrained)
    scores = [yardsticks.scores(one) for one in unlearned]
    over_seeds = yardsticks.over_seeds(scores)
    names = ("forget_undone", "forget_undone_low", "forget_undone_high", "slope", "undone", "ideal_forget_gap")
    figures = {name: over_seeds[name] for name in names}
    for role, of in (("original", yardsticks.originals), ("retrained", yardsticks.retrained), ("unlearned", scores)):
        itself = range(SEEDS) if role == "retrained" else [None] * SEEDS
        each = [yardsticks.figures_of(one, yardsticks.originals[k], itself=itself[k]) for k, one in enumerate(of)]
        figures |= {f"auc.{role}": _mean(each, "auc"), f"forget_gap.{role}": _mean(each, "forget_gap")}
        figures |= {f"auc_std.{role}": float(np.std([one["auc"] for one in each], ddof=1))}
    size = {"interactions": len(train), "users": train.num_users, "items": train.num_items}
    return {"size": size, "figures": figures}


def _mean(each: list[dict[str, Any]], name: str) -> float:
    return float(np.mean([one[name] for one in each]))


if __name__ == "__main__":
    command(parts, __doc__)
