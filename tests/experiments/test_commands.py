"""Every command explains itself and starts nothing; an error of ours is one line and status 2."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from experiments.benchmark.__main__ import benchmark
from experiments.suite.__main__ import suite
from experiments.tuning.__main__ import tune
from ifru_jax import DataError, DataWarning
from ifru_jax.command.line import status_of

ROOT = Path(__file__).parents[2]
# The command, and words of what comes out.
COMMANDS = {
    "quickstart": "--out",
    "compare": "--out",
    "benchmark": "writes JSON",
    "tables": "rewrites the blocks",
    "suite": "results.jsonl",
    "tuning": "hyperparameters.json",
    "published": "published.jsonl",
    "studies.damping": "damping.jsonl",
    "reliability": "--kills",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_help_teaches_and_starts_nothing(name, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    command = [sys.executable, "-m", f"experiments.{name}", "--help"]
    shown = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True, timeout=120).stdout
    assert f"usage: python -m experiments.{name}" in shown
    text = " ".join(shown.split())
    assert COMMANDS[name] in text
    assert any(word in text for word in ("minute", "hour", "seconds", "not recorded"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("run", "options", "message"),
    [
        (benchmark, {"names": ("magic",)}, "there is no benchmark 'magic'"),
        (suite, {"only": "magic"}, "no cell of all has 'magic' in its name"),
        (suite, {"family": "large", "only": "ml-100k"}, "choose among ml-1m_mf_noise-0.02"),
        (tune, {"what": "models"}, "nothing to do"),
    ],
)
def test_what_cannot_be_run_is_told_in_a_line(capsys, run, options, message):
    assert status_of(run, **options) == 2
    told = capsys.readouterr()
    assert message in " ".join(told.err.split())
    assert not told.out


def test_a_status_is_passed_on():
    assert [status_of(lambda options: options, status) for status in (None, 0, 3)] == [0, 0, 3]


def test_messages_are_shown_as_they_are(capsys):
    """Square brackets are no markup, and a warning about data is a line without a place in the code."""

    def run():
        warnings.warn("columns [a] and [bold]", DataWarning, stacklevel=1)
        raise DataError('pip install ".[data]"')

    assert status_of(run) == 2
    assert " ".join(capsys.readouterr().err.split()) == 'warning: columns [a] and [bold] error: pip install ".[data]"'
