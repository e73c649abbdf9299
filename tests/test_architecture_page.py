"""docs/architecture.md is true: the folders are those of the package, and requests take the way that it describes."""

import ast
import functools
import importlib
import re
import sys
from pathlib import Path
from types import CodeType

import jax
import numpy as np
import pytest

import ifru_jax
from ifru_jax.models import lightgcn
from ifru_jax.training import TrainConfig

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
NAMED = re.compile(r"\[`([\w.]+)`\]\(\.\./([\w/]+\.py)\)")
# Columns of the table of the way, and how a request is made to take it.
WAYS = {
    "over the whole data": ifru_jax.IFRUConfig(spillover="whole-graph", follow=False),
    "confined": ifru_jax.IFRUConfig(scope=(), follow=False),
}


def section(title: str) -> str:
    """The text under a heading."""
    return PAGE.read_text().partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def folders_on_the_page() -> list[tuple[int, str]]:
    """(depth, name) of every folder in the picture, top to bottom; the package itself has depth 0."""
    picture = section("The folders").partition("```text\n")[2].partition("```")[0]
    found = [re.match(r"([│├└─ ]*)(\w+)/", line) for line in picture.splitlines()]
    return [(len(line[1]) // 4, line[2]) for line in found if line]


def order_of_the_house() -> list[str]:
    tree = ast.parse((ROOT / "tests" / "test_architecture.py").read_text())
    (order,) = (node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ORDER")
    return ast.literal_eval(order)


def test_the_folders_are_those_of_the_package():
    found = folders_on_the_page()
    paths, parents = [], []
    for depth, name in found:
        parents = [*parents[:depth], name]
        paths.append("/".join(parents))
    on_disk = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "ifru_jax").rglob("*.py")}
    assert sorted(paths) == sorted(on_disk)  # each once
    assert [name for depth, name in found if depth == 1] == order_of_the_house()


def test_the_files_outside_folders_are_named():
    picture = section("The folders")
    for path in (ROOT / "ifru_jax").glob("*.py"):
        assert path.stem == "__init__" or re.search(rf"\b{path.stem}\b", picture), path.stem


def resolved(name: str, path: str) -> object:
    """What a dotted name is in a file, which has to define it."""
    module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    defined = {node.name for node in ast.parse((ROOT / path).read_text()).body if hasattr(node, "name")}
    assert name.split(".")[0] in defined, f"{path} does not define {name}"
    found = module
    for part in name.split("."):
        found = vars(found)[part]
    return found


@pytest.mark.parametrize(("name", "path"), sorted(set(NAMED.findall(PAGE.read_text()))))
def test_every_name_is_where_the_page_says(name, path):
    assert resolved(name, path) is not None


def code_of(name: str, path: str) -> CodeType:
    """The code that runs when a function, method or property is used, whatever wraps it."""
    found = resolved(name, path)
    if isinstance(found, functools.cached_property):
        found = found.func
    if isinstance(found, classmethod | staticmethod):
        found = found.__func__
    while hasattr(found, "__wrapped__"):
        found = found.__wrapped__
    return found.__code__


def way(column: str) -> list[tuple[str, str]]:
    """(name, file) of the functions in a column of the table, top to bottom."""
    header, _, *rows = [line.split(" | ") for line in section("The way of a request").splitlines() if line.startswith("| ")]
    place = [cell.strip("| ") for cell in header].index(column)
    return [named for row in rows for named in NAMED.findall(row[place])]


def calls(work) -> list[CodeType]:
    """The code of the Python functions that are called, in order."""
    found = []

    def note(frame, event, _):
        if event == "call":
            found.append(frame.f_code)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return found


@pytest.fixture(scope="module")
def trained() -> ifru_jax.Trained:
    # Of sizes that no other test has: what was compiled before is not traced again.
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(37 * 29)[:500], 29)
    split = ifru_jax.random_split(ifru_jax.Interactions.from_arrays(users, items, (users + items) % 2))
    config = TrainConfig(epochs=2)
    return ifru_jax.fit(jax.random.key(0), lightgcn(num_layers=1, embedding_size=7), split, config=config, progress=False)


@pytest.mark.parametrize("column", WAYS)
def test_requests_take_the_way_of_the_page(trained, column):
    user = trained.interactions.user_ids[trained.interactions.users[0]]
    called = calls(lambda: ifru_jax.unlearn(trained, users=[user], config=WAYS[column]))
    names = way(column)
    assert len(names) > 15
    place = -1
    for name, path in names:
        code = code_of(name, path)
        later = [k for k in range(place + 1, len(called)) if called[k] is code]
        assert later, f"{name} of {path} is not called after {names[max(0, names.index((name, path)) - 1)][0]}"
        place = later[0]
