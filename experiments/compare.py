"""Compares ways to forget with retraining, on one data set and model.

    python -m experiments.compare --data ml-100k --model mf --forget noise:0.02 --methods original,retrain,ifru --seeds 3 --out out

Trains an original model per seed, retrains at least two without what is forgotten, runs every method, and measures all against the
retrained ones. Takes as long as these trainings: about a minute on the data of `experiments.quickstart`, more with more data,
layers and methods. Writes into DIR: results.jsonl (a line per method and seed), summary.json, report.html (with report.json),
report.md, comparison.png and comparison.svg. A run that was interrupted goes on where it stopped when the same command is given
again; until it is complete, DIR/unfinished has its records and models.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console

from experiments.reporting.main_table import FULL_WIDTH, rich_table
from experiments.reporting.records import environment
from experiments.reporting.report import write_report
from experiments.run.command_line import command, make_folder
from experiments.run.comparison import run
from experiments.run.methods import parse_methods
from experiments.run.model_store import ModelStore
from experiments.run.models import ModelName, ObjectiveName
from experiments.run.progress import Tell, telling
from experiments.run.searched import searched
from experiments.run.setup import Setup, set_up
from experiments.run.unfinished import Unfinished
from experiments.run.verdicts import Verdicts
from ifru_jax.compiled import compiling_anew
from ifru_jax.data.reading.options import ReadOptions
from ifru_jax.errors import DataError
from ifru_jax.locks import alone


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
      tune: searches hyper-parameters on the validation data first, seven to twenty trainings; kept in DIR/tuning.json.
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
    tune: bool = False
    verify: bool = True
    models: Path | None = None
    reading: tyro.conf.OmitArgPrefixes[ReadOptions] = field(default_factory=ReadOptions)
    request: ReadOptions = field(default_factory=ReadOptions)


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
    make_folder(options.out)
    console.print(f"{setup.dataset}, to forget {setup.forget}: {setup.split}", markup=False)
    refusal = f"{options.out} is being written to by another run: wait for its end, or give another --out."
    with alone(options.out / ".lock", refusal):
        if options.tune:
            with telling(console) as tell:
                setup = searched(setup, options.out, tell)
        unfinished = Unfinished.begin(options.out, _asked(options, setup), seeds=options.seeds)
        if unfinished.records:
            console.print(f"going on with a run that was interrupted; done are {', '.join(unfinished.done)}", markup=False)
        verdicts = Verdicts(setup, unfinished.verdicts)
        try:
            # Times of first calls are with compilation.
            with telling(console) as tell, compiling_anew():
                _run(options, setup, methods, unfinished, verdicts, tell)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"what is done is in {unfinished.folder}; the same command goes on from there.") from None
        notes = _of_hyper_parameters(options, setup)
        notes += [f"Left out of the data: {left_out}." for left_out in setup.split.dropped]
        summary = write_report(
            options.out,
            unfinished.complete(options.out),
            title=f"Forgetting {setup.forget} on {setup.dataset} with {setup.model}",
            notes=notes + verdicts.notes,
            seeds=options.seeds,
            verification=verdicts.found,
        )
        unfinished.remove()
    console.print(rich_table(summary, width=console.width))
    console.print(f"report: {options.out / 'report.html'}")


def _run(options: Compare, setup: Setup, methods: Sequence[str], unfinished: Unfinished, verdicts: Verdicts, tell: Tell) -> None:
    """Puts the records that are missing on disk, each before the next is begun."""
    for record in run(
        setup,
        methods,
        options.seeds,
        store=ModelStore(options.models or unfinished.models),
        own_yardsticks=options.own_yardsticks,
        tell=tell,
        look=verdicts.add if options.verify else lambda outcome: None,
        done=unfinished.records,
    ):
        unfinished.add(record)


def _of_hyper_parameters(options: Compare, setup: Setup) -> list[str]:
    """Where they come from, unless they were tuned for this data set and model."""
    if options.tune:
        train = setup.params.best.train
        found = f"learning rate {train.learning_rate:g}, batches of {train.batch_size}, L2 {train.reg:g}"
        return [f"Hyper-parameters were chosen on the validation data of this run: {found}."]
    untuned = "This data set and model were not tuned: default hyper-parameters were used (--tune searches)."
    return [] if setup.params.tuned else [untuned]


def _asked(options: Compare, setup: Setup) -> dict[str, Any]:
    """What decides the results: a run that was interrupted goes on only if it is the same."""
    asked = {name: value for name, value in asdict(options).items() if name not in ("out", "models")}
    return asked | {"data and request": setup.digest, "hyper-parameters": asdict(setup.params.best)} | environment()


if __name__ == "__main__":
    command(compare, __doc__)
