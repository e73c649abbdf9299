"""README and docs say what the committed results say."""

import json

import pytest

from experiments.committed import read_summary
from experiments.tables import RESULTS, Tables, main, summaries


def test_readme_and_docs_are_made_from_the_committed_results():
    assert main(Tables(check=True)) == 0


@pytest.mark.skipif(not any(RESULTS.glob("*/summary.json")), reason="no committed comparison")
def test_every_committed_comparison_has_original_retraining_and_ifru():
    for summary in summaries():
        assert {"original", "retrain", "ifru"} <= set(summary["methods"])
        assert summary["seeds"] >= 3


@pytest.mark.parametrize(("protocol", "fastest", "shown"), [(80.0, 220.0, 80.0), (80.0, 8.0, 8.0), (None, 8.0, 8.0)])
def test_the_fastest_retraining_is_never_the_slower_one(tmp_path, protocol, fastest, shown):
    figures = {"speedup_vs_protocol": {"mean": protocol, "std": 1}, "speedup_vs_fastest": {"mean": fastest, "std": 1}}
    path = tmp_path / "summary.json"
    path.write_text(json.dumps({"methods": {"ifru": figures, "original": {}}}))
    assert read_summary(path)["methods"]["ifru"]["speedup_vs_fastest"]["mean"] == shown
