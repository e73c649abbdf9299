"""The page needs nothing beside it, is well formed, and names nobody."""

import re
from html.parser import HTMLParser

import pytest

from ifru_jax.store.budget import ErrorBudget, Spent
from ifru_jax.store.page import Told, page
from ifru_jax.store.record import Verdict

VOID = {"meta", "path"}


class Nesting(HTMLParser):
    """Opens and closes every element."""

    def __init__(self):
        super().__init__()
        self.open, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def written(forgiving, tmp_path):
    (tmp_path / "old.npz").write_bytes(b"")
    forgiving.export(tmp_path / "served.npz")
    forgiving.forget(users=[103])
    forgiving.forget(users=[104], quick=True)
    forgiving.settle()
    forgiving.forget(users=[103, 9999], missing="report")
    forgiving.undo()
    return forgiving.report(tmp_path / "report.html").read_text()


def test_it_stands_alone_and_is_well_formed(written):
    parser = Nesting()
    parser.feed(written)
    assert parser.open == []
    assert not set(parser.tags) & {"script", "link", "img", "iframe"}
    assert parser.tags.count("svg") == 4
    assert not re.findall(r"(?:https?:|src=|@import|url\()", written)
    assert 'name="viewport"' in written


def test_it_says_what_was_asked_and_names_nobody(written):
    assert "The record holds" in written
    assert "1 done already, 1 not in the data" in written
    assert "forget, quick" in written
    assert "undone" in written
    assert "served.npz" in written
    assert not re.findall(r"\b(?:103|104|9999)\b", re.sub(r"<svg.*?</svg>", "", written, flags=re.DOTALL))


def test_what_is_told_is_no_markup():
    line = {"number": 1, "time": "2026-01-01T00:00:00Z", "kind": "create", "counts": {"interactions": 0, "users": 0, "items": 0}}
    record = Verdict(False, 1, 1, "line 1 is <b>not</b> right", "0" * 64, False)
    made = page(Told("<script>shop", [line], record, Spent(ErrorBudget()), ["/a/<b>/c"]))
    assert "<script>" not in made
    assert "<b>not" not in made
    assert "/a/&lt;b&gt;/c" in made
    assert "The record was changed" in made
    assert "nan" not in made.lower().replace("names nobody", "")
