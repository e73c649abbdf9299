"""Every command explains itself and starts nothing; an error of ours is one line and status 2."""

import io
import os
import runpy
import subprocess
import sys
import time
import tomllib
import warnings
from pathlib import Path

import pytest
from rich.console import Console

import experiments
from experiments.benchmark.__main__ import benchmark
from experiments.benchmark.cells import cells
from experiments.compare import Compare, compare
from experiments.published.__main__ import published
from experiments.quickstart import quickstart
from experiments.reliability.__main__ import reliability
from experiments.run.progress import telling
from experiments.scale.__main__ import scale
from experiments.studies.attribution import attribution
from experiments.studies.batches import batches
from experiments.studies.canaries import canaries
from experiments.studies.confined import confined
from experiments.studies.damping import damping
from experiments.studies.degrees import degrees
from experiments.studies.frontier import frontier
from experiments.studies.interop import study as interop
from experiments.studies.no_record import no_record
from experiments.studies.own_ratings import own_ratings
from experiments.studies.parts import parts
from experiments.studies.power import power
from experiments.studies.precision import precision
from experiments.studies.rows import rows
from experiments.studies.sharding import sharding
from experiments.studies.step import step
from experiments.studies.stream import stream
from experiments.studies.stream_seconds import stream_seconds
from experiments.suite.__main__ import suite
from experiments.tuning.__main__ import tune
from ifru_jax import DataError, DataWarning
from ifru_jax.command.line import status_of

ROOT = Path(__file__).parents[2]
# Words of what comes out of each command.
COMMANDS = {
    "quickstart": "--out",
    "compare": "--out",
    "benchmark": "writes JSON",
    "benchmark.cells": "seconds.jsonl",
    "tables": "rewrites the blocks",
    "suite": "results.jsonl",
    "tuning": "hyperparameters.json",
    "published": "published.jsonl",
    "studies.attribution": "attribution.jsonl",
    "studies.damping": "damping.jsonl",
    "studies.canaries": "canaries.jsonl",
    "studies.power": "power.jsonl",
    "studies.own_ratings": "own_ratings.jsonl",
    "studies.confined": "confined.jsonl",
    "studies.no_record": "no_record.jsonl",
    "studies.step": "step.jsonl",
    "studies.batches": "batches.jsonl",
    "studies.parts": "parts.jsonl",
    "studies.degrees": "q and s of",
    "studies.rows": "rows.jsonl",
    "studies.frontier": "frontier.jsonl",
    "studies.precision": "precision.jsonl",
    "studies.stream": "stream.jsonl",
    "studies.stream_seconds": "stream_seconds.jsonl",
    "studies.interop": "interop.jsonl",
    "studies.sharding": "sharding.json",
    "reliability": "--kills",
    "scale": "scale.jsonl",
}


def modules_that_run() -> set[str]:
    """What `python -m experiments.…` takes."""
    files = (ROOT / "experiments").rglob("*.py")
    names = {path.relative_to(ROOT / "experiments") for path in files if 'if __name__ == "__main__":' in path.read_text()}
    return {".".join(name.with_suffix("").parts).removesuffix(".__main__") for name in names}


def in_a_process(name: str, *arguments: str) -> tuple[int, str, str]:
    """Status, stdout and stderr of `python -m experiments.name`."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", f"experiments.{name}", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def here(monkeypatch, capsys):
    """The same without an interpreter of its own, whose start takes seconds."""

    def run(name: str, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*found in sys.modules")
            with pytest.raises(SystemExit) as ended:
                runpy.run_module(f"experiments.{name}", run_name="__main__", alter_sys=True)
        return ended.value.code, *capsys.readouterr()

    return run


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """The working folder, in which nothing is left."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    yield
    assert not list(tmp_path.iterdir())


def teaches(name: str, status: int, out: str, err: str) -> None:
    assert (status, err) == (0, "")
    assert f"usage: python -m experiments.{name}" in out
    text = " ".join(out.split())
    assert COMMANDS[name] in text
    assert any(word in text for word in ("minute", "hour", "seconds", "not recorded"))


@pytest.mark.parametrize("name", sorted(modules_that_run() | COMMANDS.keys()))
@pytest.mark.usefixtures("empty")
def test_help_teaches_and_starts_nothing(here, name):
    teaches(name, *here(name, "--help"))


@pytest.mark.slow
@pytest.mark.usefixtures("empty")
def test_help_in_a_process_of_its_own():
    teaches("quickstart", *in_a_process("quickstart", "--help"))


@pytest.mark.parametrize("arguments", [("--no-such-option", "1"), ("--seeds", "many"), ("--seeds", "0")])
@pytest.mark.usefixtures("empty")
def test_bad_arguments_end_with_a_message_and_status_2(here, arguments):
    status, _, err = here("quickstart", *arguments)
    assert status == 2
    assert arguments[0].removeprefix("--") in err


@pytest.mark.slow
@pytest.mark.usefixtures("empty")
def test_bad_arguments_end_the_process_with_a_message_and_status_2():
    status, _, err = in_a_process("quickstart", "--seeds", "0")
    assert status == 2
    assert "Traceback" not in err
    assert "seeds" in err


@pytest.fixture
def a_file(tmp_path, monkeypatch):
    """A file in the working folder, where a folder or JSON is wanted; and nothing of it may change."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("no JSON")
    yield
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "no JSON"


BAD = [
    ("quickstart", quickstart, {"seeds": 0}, "seeds is 0"),
    ("quickstart", quickstart, {"out": Path("file")}, "file can't be a folder for results"),
    ("compare", compare, {"options": Compare("no-such-data", Path("out"))}, "no-such-data"),
    ("compare", compare, {"options": Compare("file", Path("out"))}, "file"),
    ("compare", compare, {"options": Compare("movielens-small", Path("file", "out"))}, "can't be a folder for results"),
    ("benchmark", benchmark, {"names": ("magic",)}, "there is no benchmark 'magic'"),
    ("benchmark", benchmark, {"out": Path("file")}, "file is not JSON"),
    ("benchmark", benchmark, {"out": Path(".")}, "is a folder"),
    ("benchmark.cells", cells, {"only": "magic"}, "no cell has 'magic' in its name"),
    ("suite", suite, {"only": "magic"}, "no cell of all has 'magic' in its name"),
    ("suite", suite, {"family": "large", "only": "ml-100k"}, "choose among ml-1m_mf_noise-0.02"),
    ("suite", suite, {"seeds": 0}, "seeds is 0"),
    ("tuning", tune, {"what": "models"}, "nothing to do"),
    ("tuning", tune, {"what": "models", "data": "no-such-data"}, "no-such-data"),
    ("tuning", tune, {"what": "shards", "data": "ml-100k", "method": "magic"}, "the method 'magic'"),
    ("published", published, {"only": "magic"}, "no entry has 'magic' in its name"),
    ("published", published, {"data": "no-such-data"}, "no-such-data"),
    ("published", published, {"seeds": 0}, "seeds is 0"),
    ("published", published, {"max_seconds": -1.0}, "max_seconds -1"),
    ("studies.attribution", attribution, {"only": "magic"}, "no cell has 'magic' in its name"),
    ("studies.damping", damping, {"models": Path("file")}, "file can't be a folder for results"),
    ("studies.step", step, {"only": "magic"}, "no cell has 'magic' in its name"),
    ("studies.batches", batches, {"only": "magic"}, "no cell has 'magic' in its name"),
    ("studies.parts", parts, {"only": "magic"}, "no cell has 'magic' in its name"),
    ("studies.canaries", canaries, {"only": "magic"}, "no cell has 'magic' in its name"),
    ("studies.power", power, {"only": "magic"}, "no cell has 'magic' in its name"),
    ("studies.own_ratings", own_ratings, {"only": "magic"}, "no cell has 'magic' in its name"),
    ("studies.confined", confined, {"only": "magic"}, "no cell has 'magic' in its name"),
    ("studies.no_record", no_record, {"only": "magic"}, "no cell has 'magic' in its name"),
    ("studies.degrees", degrees, {"names": ("no-such-data",)}, "no-such-data"),
    ("studies.precision", precision, {"only": "magic"}, "no model has 'magic' in its name"),
    ("studies.precision", precision, {"out": Path("file")}, "ends in .jsonl"),
    ("studies.frontier", frontier, {"only": "magic"}, "no cell has 'magic' in its name"),
    ("studies.rows", rows, {"only": "magic"}, "no data set has 'magic' in its name"),
    ("studies.rows", rows, {"out": Path("file")}, "ends in .jsonl"),
    ("studies.stream", stream, {"requests": 0}, "requests is 0"),
    ("studies.stream_seconds", stream_seconds, {"requests": 0}, "requests is 0"),
    ("studies.stream", stream, {"home": Path("file")}, "file can't be a folder for results"),
    ("studies.sharding", sharding, {"out": Path(".")}, "is a folder"),
    ("studies.interop", interop, {"only": "magic"}, "no cell has 'magic' as its model"),
    ("reliability", reliability, {"kills": 0}, "kills is 0"),
    ("scale", scale, {"sizes": (10,)}, "sizes are (10,)"),
    ("scale", scale, {"memory": 0.0}, "memory is 0"),
    ("scale", scale, {"out": Path("file")}, "ends in .jsonl"),
]


@pytest.mark.parametrize(("name", "run", "options", "message"), BAD, ids=[f"{name} {message}" for name, _, _, message in BAD])
@pytest.mark.usefixtures("a_file")
def test_what_cannot_be_run_is_told_in_a_line(capsys, name, run, options, message):
    assert status_of(run, **options) == 2
    told = capsys.readouterr()
    assert message in " ".join(told.err.split())
    assert not told.out


def test_every_command_is_tried_with_bad_input():
    assert {name for name, *_ in BAD} == modules_that_run() - {"tables"}, "tables takes no input"


def test_a_message_is_one_line_however_long(capsys):
    """So that a path in it can be copied, and a program can read it."""

    def run():
        warnings.warn("w" * 300, DataWarning, stacklevel=1)
        raise DataError("/a folder/" + "e" * 300)

    assert status_of(run) == 2
    assert capsys.readouterr().err.splitlines() == ["warning: " + "w" * 300, "error: /a folder/" + "e" * 300]


def test_an_interruption_is_a_line_and_a_status_of_its_own(capsys):
    def interrupted():
        raise KeyboardInterrupt("what is done is in [out]")

    assert status_of(interrupted) == 130
    assert " ".join(capsys.readouterr().err.split()) == "interrupted: what is done is in [out]"


def test_without_a_terminal_progress_is_a_line_now_and_then(capsys):
    """Not one per thing that is done: those between are left out, the last one and what lasts are not."""
    with telling(every=0.2, again=0.5) as tell:
        for number in range(1000):
            tell(f"[thing] {number}")
        time.sleep(1.5)
        tell("the end")
        time.sleep(0.3)
    lines = capsys.readouterr().err.splitlines()
    assert 3 <= len(lines) <= 7
    assert lines[0] == "0:00 [thing] 999"
    assert lines[-1] == "0:01 the end"


def test_in_a_terminal_progress_is_one_line_that_moves():
    screen = io.StringIO()
    with telling(Console(file=screen, force_terminal=True)) as tell:
        tell("[one] thing")
        time.sleep(0.3)
    assert "[one] thing" in screen.getvalue()


def test_a_status_is_passed_on():
    assert [status_of(lambda options: options, status) for status in (None, 0, 3)] == [0, 0, 3]


def test_messages_are_shown_as_they_are(capsys):
    """Square brackets are no markup, and a warning about data is a line without a place in the code."""

    def run():
        warnings.warn("columns [a] and [bold]", DataWarning, stacklevel=1)
        raise DataError('pip install ".[data]"')

    assert status_of(run) == 2
    assert " ".join(capsys.readouterr().err.split()) == 'warning: columns [a] and [bold] error: pip install ".[data]"'


def test_that_they_need_a_checkout_is_said_and_so():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert settings["packages"]["find"]["include"] == ["ifru_jax*"]
    for text in (experiments.__doc__, (ROOT / "docs" / "experiments.md").read_text()):
        assert "need a checkout" in text
