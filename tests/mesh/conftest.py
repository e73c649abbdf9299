"""Processes with several devices, in double precision; a process has its devices from the beginning."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent
# They are run, in processes of their own.
collect_ignore = ["eight_devices.py", "shares.py", "two_processes.py"]
TIMEOUT = 900


@pytest.fixture(scope="package")
def start():
    """Starts a script of this folder in a process with so many virtual devices; its compiled programs go to `dump`, as text."""

    def started(script: str, *arguments: str, devices: int, dump: Path | None = None) -> subprocess.Popen[str]:
        flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}"
        if dump is not None:
            flags += f" --xla_dump_to={dump} --xla_dump_hlo_as_text --xla_dump_hlo_pass_re=nothing"
        environment = os.environ | {
            "PYTHONPATH": str(FOLDER.parents[1]),
            "XLA_FLAGS": flags,
            "JAX_PLATFORMS": "cpu",
            "JAX_ENABLE_X64": "1",
            "IFRU_JAX_CACHE": "off",
        }
        command = [sys.executable, str(FOLDER / script), *arguments]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return started


@pytest.fixture(scope="package")
def start_both(start):
    """Runs a script of this folder in two processes of two devices each, with a folder, a port and their number as arguments."""

    def ended(script: str, folder: Path) -> list[dict[str, Any]]:
        """What both printed as JSON."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        both = [start(script, str(folder), port, str(number), devices=2) for number in range(2)]
        try:
            said = [one.communicate(timeout=TIMEOUT) for one in both]
        except subprocess.TimeoutExpired:
            pytest.fail(f"the two processes did not end within {TIMEOUT} seconds")
        finally:
            for one in both:
                one.kill()
        missing = "Multiprocess computations aren't implemented|collectives .*not (implemented|available)"
        if any(re.search(missing, errors) for _, errors in said):
            pytest.skip(f"this JAX has no collectives between processes on CPU: {said[0][1][-300:]}")
        assert [one.returncode for one in both] == [0, 0], said[0][1][-2000:] + said[1][1][-2000:]
        return [json.loads(next(line for line in out.splitlines() if line.startswith("{"))) for out, _ in said]

    return ended
