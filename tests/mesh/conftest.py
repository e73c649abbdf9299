"""Processes with several devices, in double precision; a process has its devices from the beginning."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
# They are run, in processes of their own.
collect_ignore = ["eight_devices.py", "two_processes.py"]


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
