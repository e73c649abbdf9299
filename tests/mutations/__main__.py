"""Plants single faults, one after the other, and tells which of them their tests catch.

    python tests/mutations                 every fault
    python tests/mutations along ρ         those whose name or file has one of these words in it

Each fault of `faults` is planted in a temporary copy of the tree, and only the tests that are named with it are run there; first they
have to pass without it. The list is written by hand: what matters here is the mathematics of a step and what a file may hold, such
as a gradient taken in another place, which tools that exchange operators (mutmut, cosmic-ray) don't plant, while each of their
thousands of exchanges would compile everything anew.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from faults import FAULTS, Fault, planted

ROOT = Path(__file__).parents[2]
# What pytest ends with where all tests passed, and where some failed; anything else is no answer.
PASSED, FAILED = 0, 1


def run(tree: Path, tests: Iterable[str]) -> tuple[int, str]:
    """Pytest's exit code and its last words."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-rA", "--no-header", "-p", "no:cacheprovider", *tests]
    # The package of the copy, and not one that is installed.
    env = os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def caught_by(tree: Path, fault: Fault) -> str | None:
    """The test that failed, or None: the fault survived."""
    path = tree / "ifru_jax" / fault.file
    sound = path.read_text()
    try:
        path.write_text(planted(fault, sound))
        code, words = run(tree, fault.paths)
    finally:
        path.write_text(sound)
    if code not in (PASSED, FAILED):
        raise SystemExit(f"{fault.name}: pytest ended with {code}, so that nothing can be said.\n{words[-3000:]}")
    failed = [line.split()[1].partition("::")[2] for line in words.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return failed[0] if code == FAILED else None


def main(words: list[str]) -> int:
    """Prints a table; how many faults survived."""
    chosen = [fault for fault in FAULTS if not words or any(word in f"{fault.name} {fault.file}" for word in words)]
    survived = 0
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        for part in ("ifru_jax", "tests"):
            shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", tree)
        code, output = run(tree, sorted({path for fault in chosen for path in fault.paths}))
        if code != PASSED or "\nSKIPPED" in output:
            raise SystemExit(f"the tests have to pass, and none be skipped, before a fault is planted:\n{output[-3000:]}")
        print("| fault | file | caught by |\n| --- | --- | --- |", flush=True)
        for fault in chosen:
            found = caught_by(tree, fault)
            survived += found is None
            print(f"| {fault.name} | {fault.file} | {found or '**survived**'} |", flush=True)
    print(f"\n{len(chosen) - survived} of {len(chosen)} faults are caught.")
    return survived


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
