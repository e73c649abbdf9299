"""Compares ways to forget with retraining, on one data set and model.

    python -m experiments.compare --data ml-100k --model mf --forget noise:0.02 --methods original,retrain,ifru --seeds 3 --out out

Trains an original model per seed, retrains at least two without what is forgotten, runs every method, and measures all against the
retrained ones. Takes as long as these trainings: about a minute on the data of `experiments.quickstart`, more with more data,
layers and methods. Writes into DIR: results.jsonl (a line per method and seed), summary.json, report.html (with report.json),
report.md, comparison.png and comparison.svg.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from experiments.reporting.main_table import FULL_WIDTH, rich_table
from experiments.reporting.records import append_record
from experiments.reporting.report import write_report
from experiments.run.command_line import command
from experiments.run.comparison import run
from experiments.run.methods import parse_methods
from experiments.run.model_store import ModelStore
from experiments.run.models import ModelName, ObjectiveName
from experiments.run.setup import set_up
from experiments.run.verdicts import Verdicts
from ifru_jax.compiled import compiling_anew
from ifru_jax.data.reading.options import ReadOptions
from ifru_jax.errors import DataError


@dataclass(frozen=True)
class Compare:
    """Compares ways to forget with retraining.

    Attributes:
      data: a data set by name (movielens-small, ml-100k, ml-1m, bookcrossing, amazon, gowalla, or a NAME in the folder
        IFRU_JAX_DATA), or the path of a file with user, item and, where there are such, rating and timestamp: CSV, TSV, RecBole
        .inter, other text, JSON lines or Parquet, also packed.
      out: folder for the results; made if it isn't there.
      label_above: ratings above it are positive; by default the paper's for known data, the middle of the scale else.
      model: what is trained.
      layers: of lightgcn, ngcf and simgcl.
      objective: bce; wmse (weighted squares), bpr or softmax (over a positive and its sampled negatives), which turn ratings into
        positives and sampled negatives where they compare, or full-softmax.
      forget: noise:SHARE, interaction:SHARE, user:SHARE, item:SHARE, core:SHARE and edge:SHARE (the most and the least active
        users), or file:PATH of a file with user and item, or one of them.
      methods: names with commas between; original and retrain are always run.
      seeds: of initialisation and batch order.
      own_yardsticks: also measures methods with a model of their own (sisa, receraser) against their own retraining; two
        trainings of that model each.
      verify: puts verdicts on the first seed of each method into the report (`ifru_jax.verify`).
      models: folder to keep trained models in, so that another run does not train again; it will hold the training data.
      reading: how the file of the data is read (`ifru_jax.read_interactions`).
      request: how the file of the request is read.
    """

    data: str
    out: Path
    label_above: float | None = None
    model: ModelName = "mf"
    layers: int = 1
    objective: ObjectiveName = "bce"
    forget: str = "noise:0.02"
    methods: str = "original,retrain,ifru"
    seeds: int = 3
    own_yardsticks: bool = True
    verify: bool = True
    models: Path | None = None
    reading: tyro.conf.OmitArgPrefixes[ReadOptions] = field(default_factory=ReadOptions)
    request: ReadOptions = field(default_factory=ReadOptions)


# Times of first calls are with compilation.
@compiling_anew()
def compare(options: Annotated[Compare, tyro.conf.arg(name="")]) -> None:
    """Runs the comparison, shows the table, writes the files."""
    # A file or a pipe has no width of its own.
    console = Console(width=None if Console().is_terminal else FULL_WIDTH)
    methods = parse_methods(options.methods)
    if options.seeds < 1:
        raise DataError(f"seeds is {options.seeds}: compare at least one.")
    setup = set_up(
        options.data,
        options.model,
        options.layers,
        options.forget,
        label_above=options.label_above,
        objective=options.objective,
        reading=options.reading,
        request_reading=options.request,
    )
    console.print(f"{setup.dataset}, to forget {setup.forget}: {setup.split}", markup=False)
    options.out.mkdir(parents=True, exist_ok=True)
    # Line by line beside the results of an earlier run, which stay until this one is complete.
    unfinished = options.out / "results.unfinished.jsonl"
    unfinished.unlink(missing_ok=True)
    records = []
    verdicts = Verdicts(setup)
    with console.status("starting") as status:
        for record in run(
            setup,
            methods,
            options.seeds,
            store=ModelStore(options.models),
            own_yardsticks=options.own_yardsticks,
            tell=status.update,
            look=verdicts.add if options.verify else lambda outcome: None,
        ):
            append_record(unfinished, record)
            records.append(record)
    unfinished.replace(options.out / "results.jsonl")
    notes = [] if setup.params.tuned else ["This data set and model were not tuned: default hyper-parameters were used."]
    notes += [f"Left out of the data: {left_out}." for left_out in setup.split.dropped]
    title = f"Forgetting {setup.forget} on {setup.dataset} with {setup.model}"
    notes += verdicts.notes
    summary = write_report(options.out, records, title=title, notes=notes, seeds=options.seeds, verification=verdicts.found)
    console.print(rich_table(summary, width=console.width))
    console.print(f"report: {options.out / 'report.html'}")


if __name__ == "__main__":
    command(compare, __doc__)
