"""README, tutorial and how-to guides: their code runs, and every page and every module has its place."""

import ast
import json
import re
from pathlib import Path

import numpy as np
import polars
import pytest

from ifru_jax import load_dataset
from ifru_jax.data.bundled import movielens_small
from ifru_jax.training import TrainConfig

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
RUNNABLE = [ROOT / "README.md", DOCS / "tutorial.md", *sorted((DOCS / "how-to").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


@pytest.fixture
def short_trainings(monkeypatch):
    """Two epochs whatever a page says: whether code runs doesn't depend on how good the model is."""
    monkeypatch.setattr(TrainConfig, "epochs", property(lambda _: 2, lambda *_: None))


@pytest.fixture
def few_users(monkeypatch):
    """An eighth of the data, with all that pages name; whether code runs doesn't depend on how much there is."""
    whole = movielens_small()
    users = whole.user_ids[whole.users]
    few = whole.select((users <= 120) | np.isin(users, users[whole.item_ids[whole.items] == 371]))
    monkeypatch.setattr("ifru_jax.data.datasets.movielens_small", lambda: few)


@pytest.fixture
def files(tmp_path, monkeypatch, few_users):
    """A folder with the files that pages read."""
    monkeypatch.chdir(tmp_path)
    data = load_dataset("movielens-small").interactions  # the same as on other pages, so nothing is compiled for it
    rows = zip(data.user_ids[data.users], data.item_ids[data.items], data.labels, strict=True)
    (tmp_path / "ratings.csv").write_text("user,item,rating\n" + "".join(f"{u},{i},{r}\n" for u, i, r in rows))
    (tmp_path / "ratings").mkdir()
    polars.read_csv(tmp_path / "ratings.csv").write_parquet(tmp_path / "ratings" / "part-0.parquet", row_group_size=10_000)
    (tmp_path / "erase.csv").write_text("user\n42\n")
    (tmp_path / "ratings.dat").write_text("1::7::4::978300760\n1::8::2::978302109\n")


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: page.stem)
@pytest.mark.usefixtures("short_trainings", "files")
def test_code_of_pages_runs(page):
    blocks = list(BLOCK.finditer(text := page.read_text()))
    assert blocks
    namespace = {"__name__": page.stem}
    for block in blocks:
        line = text.count("\n", 0, block.start(1))
        exec(compile("\n" * line + block[1], str(page), "exec"), namespace)  # errors name the line of the page


def test_commands_of_the_readme_come_first():
    """Continuous integration runs the first two."""
    first, second = re.findall(r"^```bash\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)[:2]
    assert "experiments.quickstart" in first
    assert "pytest" in second


def test_the_readme_shows_how_the_story_begins():
    """The first six commands of the example."""
    script = (ROOT / "examples" / "erasure_desk.sh").read_text().partition("\n\n")[2].replace(' "$@"', "")
    first = "\n".join(script.splitlines()[:6]) + "\n"
    assert f"```bash\n{first}```" in (ROOT / "README.md").read_text()


def test_every_page_is_in_the_navigation():
    """The strict build says so too, where the builder is installed."""
    navigation = (ROOT / "mkdocs.yml").read_text().partition("\nnav:")[2]
    listed = set(re.findall(r"[\w/-]+\.md", navigation))
    assert listed == {page.relative_to(DOCS).as_posix() for page in PAGES}


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_link_is_dead(page):
    dead = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert not dead


def test_every_module_is_in_the_reference():
    """A module that is not listed by name has no page."""
    listed = set()
    for page in (DOCS / "reference").glob("*.md"):
        listed |= set(re.findall(r"^::: (\S+)", page.read_text(), re.MULTILINE))
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in (ROOT / "ifru_jax").rglob("*.py")}
    modules = {name.removesuffix(".__init__") for name in modules} - {"ifru_jax"}
    assert modules == listed


def test_the_mathematics_names_every_module_with_an_equation():
    page = (DOCS / "mathematics.md").read_text()
    missing = []
    for path in sorted((ROOT / "ifru_jax").rglob("*.py")):
        lines = (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()
        equations = [line for line in lines if re.match(r"    [^\s>.].*[=←]", line)]
        if equations and f"../{path.relative_to(ROOT).as_posix()})" not in page:
            missing.append(path.name)
    assert not missing


def test_every_method_and_model_is_described():
    from experiments.run.methods import ALWAYS, REGISTRY
    from experiments.run.models import ModelName

    methods, models = (DOCS / "methods.md").read_text(), (DOCS / "models.md").read_text()
    assert not [name for name in (*ALWAYS, *REGISTRY) if f"`{name}`" not in methods]
    assert not [name for name in ModelName.__args__ if f"`{name}`" not in models]


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_are_committed_as_they_ran(path):
    """From top to bottom, without an error, a warning or the name of a folder; `pytest notebooks` runs them."""
    cells = json.loads(path.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert not [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"]
    assert not re.findall(r"(?:/home|/root|/tmp|/Users|/usr|/work|site-packages)/", json.dumps(outputs))
    assert any("image/png" in o.get("data", {}) or o.get("text") for o in outputs)
    assert "What this teaches" in "".join(cells[0]["source"])
