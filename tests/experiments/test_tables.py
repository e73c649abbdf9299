"""README and docs say what the committed results say."""

import pytest

from experiments import RESULTS
from experiments.pages import MAKERS, blocks_of, filled, pages
from experiments.pages.comparisons import with_true_fastest
from experiments.pages.results import of_the_paper
from experiments.pages.rivals import with_rivals
from experiments.reporting.records import read_records
from experiments.reporting.summary import summarise
from experiments.suite import CELLS
from experiments.tables import tables
from ifru_jax.errors import DataError


def test_readme_and_docs_are_made_from_the_committed_results():
    assert tables(check=True) == 0


@pytest.mark.skipif(not any(RESULTS.glob("*/results.jsonl")), reason="no committed comparison")
def test_every_committed_comparison_has_original_retraining_and_ifru():
    for one in of_the_paper():
        assert {"original", "retrain", "ifru"} <= set(one.methods)
        assert summarise(read_records(RESULTS / one.stem / "results.jsonl"))["seeds"] >= 3


def test_every_folder_is_a_cell_and_holds_its_records_alone():
    folders = {path.name: sorted(file.name for file in path.iterdir()) for path in RESULTS.iterdir() if path.is_dir()}
    assert set(folders) <= {cell.name for cell in CELLS}
    assert all(files == ["results.jsonl"] for files in folders.values())


@pytest.mark.parametrize(("protocol", "fastest", "shown"), [(80.0, 220.0, 80.0), (80.0, 8.0, 8.0), (None, 8.0, 8.0)])
def test_the_fastest_retraining_is_never_the_slower_one(protocol, fastest, shown):
    figures = {"speedup_vs_protocol": {"mean": protocol, "std": 1}, "speedup_vs_fastest": {"mean": fastest, "std": 1}}
    assert with_true_fastest({"ifru": figures, "original": {}})["ifru"]["speedup_vs_fastest"]["mean"] == shown


def test_every_block_stands_on_a_page_and_every_cell_with_rivals_has_its_table():
    found = [block for page in pages() for block in blocks_of(page.read_text())]
    assert {block.split()[0] for block in found} == set(MAKERS)
    assert len(found) == len(set(found))
    assert {f"rivals {one.stem}" for one in with_rivals()} <= set(found)


def test_a_mark_within_a_line_stays_within_it(monkeypatch):
    monkeypatch.setitem(MAKERS, "twice", lambda word: f"{word} {word}")
    page = "So <!-- results: twice ho -->x<!-- /results --> it is.\n<!-- results: twice hi -->\nold\n<!-- /results -->\n"
    expected = (
        "So <!-- results: twice ho -->ho ho<!-- /results --> it is.\n<!-- results: twice hi -->\n\nhi hi\n\n<!-- /results -->\n"
    )
    assert filled(page, page="p") == filled(filled(page, page="p"), page="p") == expected
    with pytest.raises(DataError, match=r"p\.md has a block 'thrice'"):
        filled(page.replace("twice", "thrice"), page="p.md")
