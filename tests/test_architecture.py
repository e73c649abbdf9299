"""Data flows one way: a package imports only from those before it in the list of docs and design."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "ifru_jax"
ORDER = ["data", "graph", "models", "training", "influence", "curvature", "solvers", "unlearning", "evaluation"]
# Without a folder: what everyone may use, and the three calls on top of everything.
FOUNDATIONS = {"errors", "files", "metrics"}
TOP = {"api", "__init__"}


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        modules = [node.module] if isinstance(node, ast.ImportFrom) else []
        modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for module in filter(None, modules):
            parts = module.split(".")
            if parts[0] == "ifru_jax":
                names.add(parts[1] if len(parts) > 1 else "__init__")
    return names


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    home = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if home in TOP:
        return
    allowed = set() if home in FOUNDATIONS else FOUNDATIONS | set(ORDER[: ORDER.index(home) + 1])
    if home == "metrics":
        allowed = {"errors"}
    assert imported(path) <= allowed


def test_flax_is_imported_only_by_models():
    users = {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        if any(line.startswith(("import flax", "from flax")) for line in path.read_text().splitlines())
    }
    assert users == {"models"}
