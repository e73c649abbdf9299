"""The list of planted faults doesn't rot: every text is where it says, every fault is Python, and every test is there."""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.mutations.faults import FAULTS, planted

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "ifru_jax"


@cache
def functions(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


def test_names_are_told_apart():
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_can_be_planted_and_its_tests_run(fault):
    source = (PACKAGE / fault.file).read_text()
    assert ast.dump(ast.parse(planted(fault, source))) != ast.dump(ast.parse(source))
    for test in fault.tests:
        path, _, name = test.partition("::")
        names = functions(TESTS / path)
        assert name in names if name else any(one.startswith("test_") for one in names)
