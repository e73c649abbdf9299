"""Tables and pictures of results: text stays text, pictures say what they show, and a missing matplotlib is told."""

import math
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ifru_jax
from ifru_jax import DataError, ForgetRequest, Interactions, Status, Trained, mf, progress
from ifru_jax.display import COLOURS, Mark, Within, bars, curves, limits, shown, table
from ifru_jax.evaluation.facts import Fact
from ifru_jax.evaluation.verdicts import Limits, Measure, Verification, judged
from ifru_jax.progress import training_progress, working
from ifru_jax.unlearning import IFRUConfig, Report, forget, prepare


@given(st.text(), st.text(), st.text())
def test_whatever_stands_in_a_table_is_text(caption, head, cell):
    made = table(caption, [head], [[cell], [Mark(cell, "for")]], note=cell)
    assert made.count("<span") == made.count("<th>") == 1
    assert made.count("<td>") == 2


def test_numbers_are_rounded_and_nothing_is_a_dash():
    assert [shown(value) for value in (None, 0.123456, 12345, True, "a")] == ["–", "0.1235", "12,345", "True", "a"]


def test_a_picture_is_one_image_with_its_content_as_text(tmp_path):
    picture = bars("Why", ["a film", "x" * 90], [0.5, -0.25], ["for", "against"], unit="adds to the score")
    assert picture.alt == f"Why. adds to the score: a film 0.5; {'x' * 90} -0.25"
    shown = picture._repr_html_()
    assert shown.startswith('<img alt="Why. adds')
    assert "max-width:100%" in shown
    assert repr(picture) == f"Picture({picture.alt})"
    for kind, start in (("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")):
        picture.save(tmp_path / f"why.{kind}")
        assert (tmp_path / f"why.{kind}").read_bytes().startswith(start)
    assert {name for bar in picture.figure.axes[0].patches for name in [bar.get_width()]} == {0.5, -0.25}


def test_both_can_be_read_on_a_phone():
    """Of 390 points in width: words are not below nine points there, and a table that is wider is moved by a finger."""
    picture = bars("Why", ["x" * 90], [0.5], ["for"], unit="adds to the score")
    width = picture.figure.get_figwidth() * 72
    sizes = [text.get_fontsize() for axes in picture.figure.axes for text in (axes.title, *axes.get_yticklabels())]
    assert min(sizes) * min(1, 390 / width) >= 9
    assert table("Why", ["adds"], [[1.0]]).startswith('<div style="overflow-x:auto"><table>')


def test_without_anything_to_show_there_is_an_empty_picture():
    assert bars("Why", [], [], [], unit="adds").alt == "Why. adds: nothing"


def test_without_matplotlib_it_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(DataError, match=r'pictures need matplotlib: pip install "\.\[plot\]"'):
        bars("Why", ["a"], [1.0], ["for"], unit="adds")


def test_colours_are_told_apart():
    assert len({COLOURS[name] for name in ("original", "unlearned", "retrained")}) == 3
    assert COLOURS["for"] != COLOURS["against"]


@given(st.floats(-5, 5), st.floats(0.1, 3), st.floats(0.1, 3), st.floats(-9, 9))
def test_a_figure_is_within_one_where_it_passes(retrained, below, above, value):
    both = Within("gap", 0, 0, retrained, retrained - below, retrained + above)
    assert both.place(retrained) == 0
    assert both.place(both.high) == pytest.approx(1)
    assert both.place(both.low) == pytest.approx(-1)
    assert (abs(both.place(value)) <= 1 + 1e-9) == (both.low - 1e-9 <= value <= both.high + 1e-9)
    upper = Within("gap", 0, 0, retrained, None, retrained + above)
    assert (upper.place(value) <= 1 + 1e-9) == (value <= upper.high + 1e-9)
    lower = Within("auc", 0, 0, retrained, retrained - below, None)
    assert (lower.place(value) >= -1 - 1e-9) == (value >= lower.low - 1e-9)


def test_limits_show_both_models_and_leave_the_free_side_open():
    picture = limits("Verification: failed", [Within("gap", 3.0, 1.1, 1.0, None, 1.2), Within("auc", 0.8, 0.7, 0.75, 0.74, None)])
    assert "gap: original 10.00, unlearned 0.50; auc: original 5.00, unlearned -5.00" in picture.alt
    axes = picture.figure.axes[0]
    left, right = axes.get_xlim()
    spans = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches]
    assert spans == [(left, 1.0), (-1.0, right)]
    assert limits("Verification: cannot tell", []).alt.endswith("Nothing is judged")


def test_curves_say_where_they_begin_and_end():
    assert (
        curves("n", {"users": [9, 3, 1], "items": []}, across="rank", up="count").alt == "n. count, by rank: users from 9 down to 1"
    )


@pytest.fixture(scope="module")
def trained():
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(9 * 7)[:40], 7)
    data = Interactions.from_arrays(users, [f"<{item}>" for item in items], rng.integers(2, size=40))
    model = mf(embedding_size=3, init_std=0.5)
    return Trained.of(model, model.init(jax.random.key(0), data.num_users, data.num_items), data)


def test_a_model_shows_what_it_stands_for(trained):
    shown = trained._repr_html_()
    assert "MF(embedding_size=3" in shown
    assert "<td>40 of 40 that it was trained on</td>" in shown
    degrees = np.bincount(trained.interactions.users)
    assert f"users from {degrees.max()} down to {degrees[degrees > 0].min()}" in trained.plot().alt


def test_a_report_shows_what_was_done(trained):
    data = trained.interactions
    _, report = forget(trained, ForgetRequest(pairs=np.stack([data.users[:3], data.items[:3]], axis=1)))
    shown = report._repr_html_()
    assert "<td>interactions forgotten</td><td>3</td>" in shown
    assert "<td>interactions retained</td><td>37</td>" in shown
    assert "labels corrected" not in shown
    assert report.status.name in shown
    assert set(report.seconds) - {"total"} == {word.split()[0] for word in report.plot().alt.partition("seconds: ")[2].split("; ")}
    nothing = Report.of_nothing(40, {})
    assert Status.NOTHING_TO_FORGET.message in nothing._repr_html_()
    assert "0 forgotten" in nothing.plot().alt


def test_a_verification_shows_measures_limits_and_facts():
    measures = {
        "gap": judged("closeness", 1.1, 2.0, mean=1.0, limits=Limits(high=1.3), informative=True),
        "auc": judged("quality", 0.7, 0.7, mean=0.75, limits=Limits(low=0.72), informative=True),
        "order": judged("closeness", 1.0, 1.1, mean=1.0, limits=Limits(0.4, 1.6), informative=False),
        "oracle_auc": Measure("membership", None, None, None),
    }
    found = Verification.of(measures, {"data": Fact(True, "it has <all>")})
    shown = found._repr_html_()
    for text in ("up to 1.3", "from 0.72", "0.4 to 1.6", "Verification: failed", "it has &lt;all&gt;"):
        assert text in shown
    assert f'color:{COLOURS["fail"]}">fail<' in shown
    assert "oracle" not in found.plot().alt
    assert "auc: original -1.67, unlearned -1.67" in found.plot().alt


def test_long_work_says_so_without_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(progress, "PATIENCE", 0.05)
    monkeypatch.setattr(progress, "NOW_AND_THEN", 0.05)
    with working("forgetting"):
        time.sleep(0.4)
    told = capsys.readouterr()
    assert told.err.count("forgetting: 0 s so far") >= 2
    assert not told.out
    with working("forgetting"):
        pass
    assert not capsys.readouterr().err
    with working("forgetting"), working("compiling"):
        time.sleep(0.2)
    told = capsys.readouterr().err
    assert "forgetting" in told
    assert "compiling" not in told


def test_a_notebook_without_widgets_is_told_nothing_that_it_can_not_replace(monkeypatch, capsys, recwarn):
    """Rich would warn that ipywidgets is missing; epochs of a training are lines there."""
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr("ifru_jax.progress.find_spec", lambda name: None)
    monkeypatch.setattr(progress, "PATIENCE", 0.01)
    with working("forgetting"):
        time.sleep(0.2)
    with training_progress(2, shown=True) as on_epoch:
        time.sleep(0.02)
        on_epoch(0, 0.5)
    told = capsys.readouterr()
    assert "forgetting" not in told.err + told.out
    assert not recwarn.list


def test_a_request_that_takes_long_says_so(monkeypatch, capsys):
    """Whatever is confined and was asked before takes milliseconds and is not watched; the next that is watched speaks again."""
    rng = np.random.default_rng(0)
    rows = np.divmod(rng.permutation(20 * 30)[:200], 30)
    data = Interactions(*rows, rng.integers(2, size=200), 20, 30)
    params = {
        name: jnp.asarray(rng.normal(size=(size, 4)), jnp.float32)
        for name, size in (("user_embedding", 20), ("item_embedding", 30))
    }
    trained = Trained.of(mf(embedding_size=4), params, data)
    monkeypatch.setattr("ifru_jax.progress.PATIENCE", 0.01)
    monkeypatch.setattr("ifru_jax.api.forget", lambda *given, **options: (time.sleep(0.3), forget(*given, **options))[1])

    def told(config):
        state = prepare(trained, config=config)
        ifru_jax.unlearn(state, users=[0])
        found = capsys.readouterr()
        assert not found.out
        return found.err

    whole = IFRUConfig(num_steps=2)
    assert told(whole).startswith("forgetting: ")
    confined = IFRUConfig(scope=(), num_steps=2)
    assert told(confined).startswith("forgetting: ")
    assert not told(confined)
    assert told(whole).startswith("forgetting: ")
    monkeypatch.setattr("ifru_jax.progress.PATIENCE", math.inf)
    assert not told(whole)


def test_without_a_terminal_progress_is_a_few_lines_on_stderr(monkeypatch, capsys):
    """What a program writes is its own; under two seconds there is nothing to tell."""
    clock = iter([0.0, 1.0, 2.5, 4.0, 5.5])
    monkeypatch.setattr("ifru_jax.progress.time.monotonic", lambda: next(clock))
    with training_progress(9, shown=True) as on_epoch:
        for epoch, metric in enumerate((0.6, 0.7, 0.65, float("nan"))):
            on_epoch(epoch, metric)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "training: epoch 2, validation AUC 0.7000, best 0.7000, 2 s so far\ntraining: epoch 4, 6 s so far\n"
