"""Summary, tables, picture and report of a made-up comparison."""

import io
import json
import math
import os
import re
import statistics
import xml.etree.ElementTree

import matplotlib.image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from experiments.reporting.definitions import FIGURES, define
from experiments.reporting.main_table import markdown_table, rich_table
from experiments.reporting.plots import comparison_figure, write_comparison
from experiments.reporting.report import write_report
from experiments.reporting.summary import summarise
from ifru_jax.errors import DataError

# method: auc, gap, forget gap, seconds, speed-up
METHODS = {
    "original": (0.743, 2.08, 4.3, None, None),
    "retrain": (0.745, 1.0, 1.0, 9.4, 1.0),
    "ifru": (0.744, 1.03, 1.29, 0.031, 300.0),
    "fine-tune": (0.71, 377.0, None, 0.88, 10.6),
}
# What readers of summary.json rely on.
PROMISED = [
    "auc",
    "auc_or",
    "auc_and",
    "ndcg@20",
    "recall@20",
    "forget_loss",
    "forget_undone",
    "slope",
    "undone",
    "gap",
    "forget_gap",
    "forget_slope",
    "rms",
    "forget_rms",
    "score_std",
    "seconds.total",
    "seconds.first_call",
    "seconds.prepare",
    "speedup_vs_retrain",
]


def make_records(seeds=3):
    return [
        {
            "dataset": "ml-100k",
            "model": "lightgcn-1",
            "forget": "noise:0.02",
            "method": method,
            "seed": seed,
            "figures": {
                "auc": auc + 0.001 * seed,
                "gap": gap,
                "forget_gap": forget_gap,
                "seconds.total": seconds,
                "speedup_vs_retrain": speedup,
                "forget_slope": math.nan,
            }
            | ({"seconds.solve": 0.02, "ritz_values": 20} if method == "ifru" else {}),
            "config": {"embedding_size": 48, "seed": seed, "forget_users": [8881, 8882]}
            | ({"num_steps": 20} if method == "ifru" else {}),
            "environment": {"jax": "0.7.0", "cpu_count": 2},
        }
        for method, (auc, gap, forget_gap, seconds, speedup) in METHODS.items()
        for seed in range(seeds)
    ]


def test_the_summary_has_the_promised_form():
    summary = summarise(make_records())
    assert list(summary) == ["dataset", "model", "forget", "seeds", "methods"]
    assert (summary["dataset"], summary["model"], summary["forget"], summary["seeds"]) == (
        "ml-100k",
        "lightgcn-1",
        "noise:0.02",
        3,
    )
    assert list(summary["methods"]) == list(METHODS)
    for figures in summary["methods"].values():
        assert set(PROMISED) | {"seconds.solve", "ritz_values"} == set(figures)
        assert all(set(value) == {"mean", "std"} for value in figures.values())
    ifru = summary["methods"]["ifru"]
    assert ifru["auc"] == pytest.approx({"mean": 0.745, "std": 0.001})
    assert ifru["ritz_values"] == {"mean": 20.0, "std": 0.0}
    assert ifru["forget_slope"] == {"mean": None, "std": None}
    assert list(ifru).index("seconds.prepare") + 1 == list(ifru).index("seconds.solve")
    json.dumps(summary, allow_nan=False)


@given(st.lists(st.none() | st.just(math.nan) | st.just(math.inf) | st.floats(-1e9, 1e9), min_size=1, max_size=6))
@settings(max_examples=50, deadline=None)
def test_mean_and_sample_deviation_over_the_seeds_in_which_a_figure_applies(values):
    records = [{**make_records(1)[0], "seed": seed, "figures": {"gap": value}} for seed, value in enumerate(values)]
    summary = summarise(records)
    json.dumps(summary, allow_nan=False)
    present = [value for value in values if value is not None and math.isfinite(value)]
    found = summary["methods"]["original"]["gap"]
    assert found["mean"] == (pytest.approx(statistics.fmean(present)) if present else None)
    assert found["std"] == (pytest.approx(statistics.stdev(present)) if len(present) > 1 else None)


def test_one_seed_has_no_deviation_and_a_repeated_run_replaces_the_first():
    records = make_records(1)
    summary = summarise([*records, {**records[0], "figures": {"auc": 0.5}}])
    assert summary["methods"]["original"]["auc"] == {"mean": 0.5, "std": None}
    assert summary["methods"]["original"]["gap"] == {"mean": None, "std": None}


def test_seeds_counts_what_was_asked_for_not_additional_retrainings():
    records = make_records(1)
    extra = {**next(r for r in records if r["method"] == "retrain"), "seed": 7}
    assert summarise([*records, extra])["seeds"] == 1
    assert summarise(records, seeds=4)["seeds"] == 4


def test_records_of_two_comparisons_or_none_are_refused():
    records = make_records(1)
    with pytest.raises(DataError, match="model lightgcn-1, mf"):
        summarise([records[0], {**records[1], "model": "mf"}])
    with pytest.raises(DataError, match="no records"):
        summarise([])


def test_every_promised_figure_is_defined():
    assert set(PROMISED) <= set(FIGURES)
    assert define("seconds.right_hand_side") == "seconds of the part “right hand side”"
    assert "not defined" in define("ritz_values")


def test_the_table_fits_a_terminal_and_markdown_has_the_same_cells():
    summary = summarise(make_records())
    console = Console(width=110, file=io.StringIO())
    console.print(rich_table(summary))
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 110
    assert not any("…" in line for line in lines)
    rows = [re.split(r"\s{2,}", line.strip()) for line in lines if line.strip().startswith(tuple(METHODS))]
    markdown_rows = [line.strip("| ").split(" | ") for line in markdown_table(summary).splitlines()[2:]]
    assert rows == markdown_rows
    assert rows[2] == ["ifru", "0.7450 ± 0.0010", "–", "–", "–", "–", "1.03", "1.29", "–", "0.0310", "300×"]


def test_names_can_not_break_a_table():
    records = [{**record, "method": "a|b[red]"} for record in make_records(1)[:1]]
    summary = summarise(records)
    assert markdown_table(summary).splitlines()[2].startswith("| a\\|b[red] |")
    console = Console(width=110, file=io.StringIO())
    console.print(rich_table(summary))
    assert "a|b[red]" in console.file.getvalue()


@pytest.mark.parametrize("methods", [["original"], ["ifru", "fine-tune"], list(METHODS)], ids=len)
def test_no_two_labels_of_the_picture_overlap(methods):
    figure = comparison_figure(summarise([record for record in make_records() if record["method"] in methods]))
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    boxes = []
    for panel in figure.axes:
        texts = [*panel.texts, panel.title, panel.xaxis.label, *panel.get_xticklabels(), *panel.get_xticklabels(True)]
        low, high = panel.get_xlim()
        ticks = {label for label in panel.get_xticklabels() if not low <= label.get_position()[0] <= high}
        boxes += [(t.get_text(), t.get_window_extent(renderer)) for t in texts if t.get_text() and t not in ticks]
    for number, (text, box) in enumerate(boxes):
        for other_text, other in boxes[:number]:
            assert not box.overlaps(other), f"{text!r} covers {other_text!r}"


def test_the_picture_is_written_twice_and_the_same_each_time(tmp_path):
    summary = summarise(make_records())
    paths = write_comparison(tmp_path, summary)
    assert [path.name for path in paths] == ["comparison.png", "comparison.svg"]
    first = [path.read_bytes() for path in paths]
    height, width, _ = matplotlib.image.imread(paths[0]).shape
    assert width > 1000
    assert height > 300
    assert xml.etree.ElementTree.parse(paths[1]).getroot().tag.endswith("svg")
    write_comparison(tmp_path, summary)
    assert [path.read_bytes() for path in paths] == first


def test_the_report_says_what_was_asked_what_came_out_and_nothing_of_the_forgotten(tmp_path):
    out = tmp_path / "new" / "folder"
    summary = write_report(out, make_records(), title="Forgetting wrong labels", notes=["Made-up figures."])
    assert sorted(os.listdir(out)) == [
        "comparison.png",
        "comparison.svg",
        "report.html",
        "report.json",
        "report.md",
        "summary.json",
    ]
    text = (out / "summary.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail) == summary

    report = (out / "report.md").read_text()
    assert report.startswith("# Forgetting wrong labels\n")
    for expected in (
        "`noise:0.02`",
        "- Made-up figures.",
        markdown_table(summary),
        "(comparison.png)",
        "| `seconds.solve` | – | – | 0.0200 | – |",
        f"- `gap`: {FIGURES['gap']}.",
        "- `ritz_values`: not defined here",
        "- `embedding_size`: 48",
        "- ifru\n  - `num_steps`: 20",
        '- `jax`: "0.7.0"',
    ):
        assert expected in report
    assert "8881" not in report
    assert "nan" not in report.lower().split()
    assert "`seed`" not in report  # differs between the runs of one method


def test_no_file_is_written_without_records(tmp_path):
    with pytest.raises(DataError):
        write_report(tmp_path / "out", [], title="Nothing", notes=[])
    assert not (tmp_path / "out").exists()
