"""The committed comparisons, cell by cell; a cell that is done is not run again.

    IFRU_JAX_DATA=DIR python -m experiments.suite            # all cells that are missing; all of them take hours
    IFRU_JAX_DATA=DIR python -m experiments.suite --again    # all cells

Each cell is one `experiments.compare`; its results.jsonl and summary.json go to experiments/results/DATA_MODEL_FORGET.
`python -m experiments.tables` makes the tables of the docs from them.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console

from experiments.compare import Compare, ObjectiveName, main
from experiments.hyperparameters import model_label
from experiments.models import LAYERED, ModelName
from ifru_jax.errors import IfruError

RESULTS = Path(__file__).parent / "results"
KEPT = ("results.jsonl", "summary.json")


@dataclass(frozen=True)
class Cell:
    """One comparison of the suite."""

    data: str
    model: ModelName
    layers: int
    forget: str
    methods: str
    objective: ObjectiveName = "bce"
    part: str = ""

    @property
    def folder(self) -> Path:
        label = model_label(self.model, self.layers if self.model in LAYERED else 0)
        loss = "" if self.objective == "bce" else f"_{self.objective}"
        part = f"_{self.part}" if self.part else ""
        return RESULTS / f"{self.data}_{label}{loss}_{self.forget.replace(':', '-')}{part}"


MODELS: tuple[tuple[ModelName, int], ...] = (("mf", 0), ("lightgcn", 1))
# Any differentiable recommender, any objective.
ANY: tuple[tuple[ModelName, int, ObjectiveName], ...] = (
    ("bias-mf", 0, "bce"),
    ("gmf", 0, "bce"),
    ("fm", 0, "bce"),
    ("deepfm", 0, "bce"),
    ("neumf", 0, "bce"),
    ("ngcf", 1, "bce"),
    ("simgcl", 1, "bce"),
    ("multvae", 0, "bce"),
    ("sasrec", 0, "bce"),
    ("mf", 0, "wmse"),
    ("mf", 0, "bpr"),
    ("mf", 0, "full-softmax"),
    ("lightgcn", 1, "bpr"),
    ("bias-mf", 0, "bpr"),
    ("neumf", 0, "bpr"),
    ("simgcl", 1, "bpr"),
    ("sasrec", 0, "bpr"),
    ("multvae", 0, "full-softmax"),
)
REQUESTS = ("noise:0.02", "user:0.01")
# Forget sets of all sizes and kinds, on the smallest data.
SHARES = tuple(f"noise:{share}" for share in ("0.005", "0.01", "0.05", "0.1", "0.2"))
# So large that a request is cut into parts: also in one, and in ten.
LARGE = ("noise:0.1", "noise:0.2")
KINDS = ("interaction:0.02", "item:0.01", "core:0.01", "edge:0.01")
QUICK_RIVALS = "gif-damped,gradient,scif,finetune,finetune-10x"
# Those that train again, those that change the trained parameters, those that do so for IFRU's own time and ten times it.
RIVALS = (
    "warm-retrain,scif,gif,gif-damped,gradient,ifru-authors,ifru-authors-tuned,"
    "finetune,finetune-10x,gradient-ascent,gradient-ascent-10x"
)
# Apart, and each alone, because shards train for minutes.
SHARDED = ("sisa", "receraser")
# IFRU with one thing changed: no spillover, scopes from the endpoints to two hops, curvature, filter, solver, ten requests.
ABLATIONS = (
    "ifru-direct,ifru-endpoints,ifru-fifth-hop,ifru-half-hop,ifru-1-hop,ifru-2-half-hops,"
    "ifru-gauss-newton,ifru-absolute,ifru-cg,ifru-no-metric,ifru-stream"
)


# What may become of the weights that every interaction touches.
SHARED_WEIGHTS = "ifru-freeze,ifru-last-layer,ifru-subspace"


def cells() -> list[Cell]:
    """Smallest data first."""
    found = []
    for data in ("ml-100k", "bookcrossing", "amazon"):
        for model, layers in MODELS:
            found.append(Cell(data, model, layers, "noise:0.02", f"ifru,{RIVALS},{ABLATIONS}"))
            found += [Cell(data, model, layers, f"user:{share}", "ifru") for share in ("0.01", "0.05")]
    found += [Cell(data, "lightgcn", 2, "noise:0.02", "ifru") for data in ("ml-100k", "bookcrossing")]
    # The figure of the authors' own code is for 1 %.
    found.append(Cell("bookcrossing", "lightgcn", 1, "noise:0.01", "ifru"))
    found += [
        Cell(data, model, layers, "noise:0.02", method, part=method)
        for data in ("ml-100k", "bookcrossing", "amazon")
        for model, layers in MODELS
        for method in SHARDED
    ]
    for model in MODELS:
        for forget in (*SHARES, *KINDS):
            found.append(
                Cell("ml-100k", *model, forget, f"ifru,{QUICK_RIVALS}" + (",ifru-one-step,ifru-stream" if forget in LARGE else ""))
            )
    found += [Cell("ml-1m", *model, "noise:0.02", f"ifru,{QUICK_RIVALS}") for model in MODELS]
    found += [Cell("ml-100k", model, layers, f, "ifru,finetune", objective) for model, layers, objective in ANY for f in REQUESTS]
    with_shared: tuple[ModelName, ...] = ("gmf", "neumf", "fm", "deepfm")
    found += [Cell("ml-100k", model, 0, "noise:0.02", SHARED_WEIGHTS, part="shared") for model in with_shared]
    return found


@dataclass(frozen=True)
class Suite:
    """Runs the committed comparisons.

    Attributes:
      again: also cells that have results.
      only: the cell of this name, or all whose name contains it.
      seeds: per cell.
      models: folder to keep trained models in between runs.
    """

    again: bool = False
    only: str = ""
    seeds: int = 3
    models: Path = Path("out/models")


def run_suite(options: Suite) -> int:
    """Returns the number of cells that failed."""
    console = Console()
    named = [cell for cell in cells() if cell.folder.name == options.only]
    chosen = named or [cell for cell in cells() if options.only in cell.folder.name]
    missing = [cell for cell in chosen if options.again or not (cell.folder / "summary.json").exists()]
    console.print(f"{len(chosen)} cells, {len(missing)} to run")
    failed = 0
    for number, cell in enumerate(missing, start=1):
        console.rule(f"{number} of {len(missing)}: {cell.folder.name}")
        with tempfile.TemporaryDirectory() as folder:
            try:
                main(
                    Compare(
                        data=cell.data,
                        out=Path(folder),
                        model=cell.model,
                        layers=cell.layers,
                        forget=cell.forget,
                        methods=cell.methods,
                        objective=cell.objective,
                        seeds=options.seeds,
                        models=options.models,
                        verify=False,
                    )
                )
            except IfruError as error:
                console.print(f"[bold red]error:[/] {error}")
                failed += 1
                continue
            cell.folder.mkdir(parents=True, exist_ok=True)
            for name in KEPT:
                shutil.copyfile(Path(folder) / name, cell.folder / f".{name}")
                (cell.folder / f".{name}").replace(cell.folder / name)
    return failed


if __name__ == "__main__":
    sys.exit(run_suite(tyro.cli(Suite)))
