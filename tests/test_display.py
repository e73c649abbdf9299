"""Tables and pictures of results: text stays text, pictures say what they show, and a missing matplotlib is told."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifru_jax import DataError
from ifru_jax.display import COLOURS, Mark, bars, shown, table


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


def test_without_anything_to_show_there_is_an_empty_picture():
    assert bars("Why", [], [], [], unit="adds").alt == "Why. adds: nothing"


def test_without_matplotlib_it_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(DataError, match=r'pictures need matplotlib: pip install "\.\[plot\]"'):
        bars("Why", ["a"], [1.0], ["for"], unit="adds")


def test_colours_are_told_apart():
    assert len({COLOURS[name] for name in ("original", "unlearned", "retrained")}) == 3
    assert COLOURS["for"] != COLOURS["against"]
