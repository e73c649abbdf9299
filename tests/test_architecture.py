"""The order of the house: imports run one way, and what is done in one place is done nowhere else."""

import ast
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ifru_jax import ModelError
from ifru_jax.baselines.sharded.aggregation import FrozenShards
from ifru_jax.graph import BipartiteGraph, Graph, GraphView, IndexPairs, build_graph
from ifru_jax.graph.inflow import OnePass, OpenGraph
from ifru_jax.graph.weighted import WeightedGraph
from ifru_jax.models.flax_recommender import NoGraph
from ifru_jax.sparse import build_edges
from ifru_jax.unlearning import Method

PACKAGE = Path(__file__).parents[1] / "ifru_jax"
EXPERIMENTS = PACKAGE.parent / "experiments"
ORDER = [
    "data", "sparse", "graph", "models", "curvature", "training", "influence", "solvers", "unlearning", "exact", "baselines",
    "evaluation", "interop", "checkpoint", "explaining", "store", "command",
]  # fmt: skip
# From bytes to values; `duplicates` is asked last.
READING = [
    "options", "blanks", "files", "cells", "table", "columns", "text", "json_lines", "formats",
    "ids", "numbers", "times", "values", "duplicates",
]  # fmt: skip
# Without a folder: what everyone may use, each of it what stands before it; and the calls on top of everything.
FOUNDATIONS = [
    "errors",
    "meshes",
    "status",
    "pytree",
    "host_arrays",
    "ragged",
    "metrics",
    "locks",
    "files",
    "array_files",
    "compiled",
    "forks",
    "display",
    "progress",
]
TOP = {"api", "serving", "__init__", "__main__"}
# Folders on top of the calls, which nothing else knows of.
ON_TOP = {"explaining", "store", "command"}
STORE = [
    "moments", "lock", "key", "database", "journal", "models", "states", "coverage", "budget", "commit", "migration", "requests",
    "resolve", "lines", "creation", "answers", "preview", "record", "verifying", "opened", "settling", "answering", "outside",
    "compaction", "page", "desk", "contents", "residues",
]  # fmt: skip
MODULES = sorted(PACKAGE.rglob("*.py"))
ASKED_BY_NOBODY = {"method", "state", "trained", "prepared"}
# JAX calls a rule of a primitive with every array of a pattern; `fit` is the first call of a newcomer, with a word for each wish.
MANY_PARAMETERS = {("sparse/primitives.py", "_"), ("api.py", "fit")}


def nodes(path: Path, *kinds: type[ast.AST]) -> list:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)]


def imported(path: Path) -> set[str]:
    names = set()
    for node in nodes(path, ast.Import, ast.ImportFrom):
        modules = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        for module in filter(None, modules):
            parts = module.split(".")
            if parts[0] == "ifru_jax":
                names.add(parts[1] if len(parts) > 1 else "__init__")
    return names


def test_every_folder_has_its_place():
    assert {path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.glob("*.py"))} == set(ORDER)
    assert {path.stem for path in PACKAGE.glob("*.py")} == {*FOUNDATIONS, *TOP}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    home = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if home in TOP:
        return
    order = [*FOUNDATIONS, *ORDER]
    if home in ON_TOP:
        assert imported(path) <= {*order, home, "store", "api", "checkpoint", "serving"}
        return
    before = order[: order.index(home)] if home in FOUNDATIONS else order[: order.index(home) + 1]
    assert imported(path) <= set(before)


def test_reading_goes_one_way():
    """Each file uses those before it, and none knows of interactions; formats know nothing of what cells mean."""
    folder = PACKAGE / "data" / "reading"
    assert {path.stem for path in folder.glob("*.py")} == {*READING, "__init__"}
    meaning = {"ids", "numbers", "times", "values", "duplicates"}
    for place, name in enumerate(READING):
        used = {node.module.removeprefix("ifru_jax.data.") for node in nodes(folder / f"{name}.py", ast.ImportFrom) if node.module}
        siblings = {module.removeprefix("reading.") for module in used if module.startswith("reading.")}
        assert siblings <= set(READING[:place]), name
        assert not siblings & meaning or name in meaning, name
        assert "interactions" not in used, name


def test_the_store_goes_one_way():
    """Each file uses those before it."""
    folder = PACKAGE / "store"
    assert {path.stem for path in folder.glob("*.py")} == {*STORE, "__init__"}
    for place, name in enumerate(STORE):
        used = set()
        for node in nodes(folder / f"{name}.py", ast.ImportFrom):
            if node.module == "ifru_jax.store":
                used |= {alias.name for alias in node.names}
            elif node.module and node.module.startswith("ifru_jax.store."):
                used.add(node.module.removeprefix("ifru_jax.store."))
        assert used <= set(STORE[:place]), name


def test_flax_is_imported_only_by_models():
    users = {
        path.relative_to(PACKAGE).parts[0]
        for path in MODULES
        if any(line.startswith(("import flax", "from flax")) for line in path.read_text().splitlines())
    }
    assert users == {"models"}


def named(path: Path, name: str) -> bool:
    """Whether a module imports this name or reads it as an attribute of a module of that name's home."""
    home, _, last = name.rpartition(".")
    imports = any(node.module == home and last in {a.name for a in node.names} for node in nodes(path, ast.ImportFrom))
    return imports or any(ast.unparse(node) == name for node in nodes(path, ast.Attribute))


def test_no_type_is_asserted_by_a_cast():
    assert not [path for path in MODULES if named(path, "typing.cast")]


def test_arrays_are_put_on_the_device_in_one_place():
    assert [path for path in MODULES if named(path, "jax.device_put")] == [PACKAGE / "sparse" / "placement.py"]


def test_files_are_written_in_one_place():
    """Whole or not at all, see `ifru_jax.files`; records grow by lines, and what is locked has no content."""
    alone = {PACKAGE / "files.py", PACKAGE / "locks.py", EXPERIMENTS / "reporting" / "json_lines.py"}
    for path in {*MODULES, *EXPERIMENTS.rglob("*.py")} - alone:
        for call in nodes(path, ast.Call):
            name = ast.unparse(call.func).rpartition(".")[2]
            given = call.args[isinstance(call.func, ast.Name) :] + [k.value for k in call.keywords]
            modes = [a.value for a in given if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            writes = name == "open" and any(set(mode) & set("wax+") and set(mode) <= set("rwaxbt+") for mode in modes)
            # Into what `replacing` gave, or into memory.
            writes &= not ast.unparse(call.func).startswith("archive.")
            assert not writes, f"{path.name}: {ast.unparse(call)}"
            assert name not in {"write_text", "write_bytes", "savez", "savetxt", "tofile", "mkstemp"}, f"{path.name}: {name}"


def parameters(function) -> list[str]:
    """Names of the parameters, without self or cls."""
    given = function.args
    names = [a.arg for a in (*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg) if a]
    return [name for name in names if name not in ("self", "cls")]


@pytest.mark.parametrize("folder", [PACKAGE, EXPERIMENTS], ids=lambda p: p.name)
def test_no_function_takes_more_than_eight_arguments(folder):
    long = {
        (str(path.relative_to(folder)), getattr(node, "name", "lambda"))
        for path in sorted(folder.rglob("*.py"))
        for node in nodes(path, ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
        if len(parameters(node)) > 8
    }
    assert long == (MANY_PARAMETERS if folder == PACKAGE else set())


@pytest.mark.parametrize("folder", ["influence", "solvers", "unlearning"])
def test_public_functions_of_the_step_take_at_most_five(folder):
    for path in (PACKAGE / folder).rglob("*.py"):
        for node in nodes(path, ast.FunctionDef):
            assert node.name.startswith("_") or len(parameters(node)) <= 5, f"{path.name}: {node.name}"


@pytest.mark.parametrize("folder", [PACKAGE, EXPERIMENTS], ids=lambda p: p.name)
def test_no_method_or_state_is_asked_whether_it_has_something(folder):
    """All methods have all of the contract, and states are read by the method that made them."""
    members = {name for name in vars(Method) if not name.startswith("_")}
    for path in folder.rglob("*.py"):
        for node in nodes(path, ast.Call):
            if ast.unparse(node.func) in ("getattr", "hasattr"):
                asked, name = (ast.unparse(argument).strip("'") for argument in node.args[:2])
                assert asked.rpartition(".")[2] not in ("method", "state", "trained", "prepared"), (
                    f"{path.name}: {ast.unparse(node)}"
                )
                assert name not in members, f"{path.name}: {ast.unparse(node)}"


def small_graph() -> BipartiteGraph:
    return build_graph(build_edges(np.array([0, 1, 1]), np.array([0, 0, 1]), num_rows=3, num_cols=2, capacity=4)[0])


# What a model may read of a graph, but for its sizes and side features: each a call on a graph.
READS = {
    "history": lambda g: g.history,
    "edges": lambda g: g.edges,
    "present": lambda g: g.present,
    "to_users": lambda g: g.to_users(jnp.ones((2, 3))),
    "to_items": lambda g: g.to_items(jnp.ones((3, 3))),
    "sum_to_users": lambda g: g.sum_to_users(jnp.ones((2, 3))),
    "degrees": lambda g: g.degrees(),
    "contains": lambda g: g.contains(IndexPairs(jnp.array([0, 2]), jnp.array([0, 1]))),
}
FEATURES, SIZES = {"user_features", "item_features"}, {"num_users", "num_items"}
VIEWS = {
    "one pass": lambda g: OnePass(g),
    "open": lambda g: OpenGraph(g, ((), ())),
    "weighted": lambda g: WeightedGraph.of(g, jnp.ones(g.edges.capacity)),
    "frozen shards": lambda g: FrozenShards(g, {}, {}),
    "no graph": lambda g: NoGraph(g, "Module"),
}


def test_what_is_read_of_a_graph_is_all_of_the_protocol():
    assert {name for name in vars(Graph) if not name.startswith("_")} == READS.keys() | FEATURES | SIZES


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_every_stand_in_is_a_graph(view):
    """It has all that the protocol names, as the graph behind it does, or says in words that it must not be read."""
    graph = small_graph()
    seen = view(graph)
    assert isinstance(seen, GraphView)
    assert all(hasattr(type(seen), name) for name in READS.keys() | FEATURES | SIZES)
    assert (seen.num_users, seen.num_items) == (3, 2)
    for name, read in (READS | {name: lambda g, name=name: getattr(g, name) for name in FEATURES}).items():
        if isinstance(seen, NoGraph) and name not in FEATURES:
            with pytest.raises(ModelError, match=f"Module reads '{name}' of the graph but is declared with num_hops=0"):
                read(seen)
        else:
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), read(seen), read(graph))
