"""README and docs say what the committed results say."""

import pytest

from experiments.tables import RESULTS, Tables, main, summaries


def test_readme_and_docs_are_made_from_the_committed_results():
    assert main(Tables(check=True)) == 0


@pytest.mark.skipif(not any(RESULTS.glob("*/summary.json")), reason="no committed comparison")
def test_every_committed_comparison_has_original_retraining_and_ifru():
    for summary in summaries():
        assert {"original", "retrain", "ifru"} <= set(summary["methods"])
        assert summary["seeds"] >= 3
