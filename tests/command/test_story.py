"""The story of the desk, as it stands in `examples/`, from a shell."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_whole_story(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHON": sys.executable, "IFRU_JAX_CACHE": str(tmp_path / "compiled")}
    command = ["bash", str(ROOT / "examples" / "erasure_desk.sh"), "--epochs", "2"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout
    assert told.count("No list for user 42") == 1
    assert "0 places in" in told
    assert "The record holds: every line is as it was written." in told
