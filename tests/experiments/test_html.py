"""The page needs nothing beside it, says what came out, and nothing of the forgotten."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from experiments.reporting.report import write_report
from ifru_jax.errors import DataError
from ifru_jax.evaluation.facts import Fact
from ifru_jax.evaluation.verdicts import Measure, Verification

VOID = {"meta", "br", "img", "link", "input", "hr"}


class Nesting(HTMLParser):
    """Opens and closes every element."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.tags = [], [], set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def records():
    def record(method, seed, gap, seconds):
        figures = {"auc": 0.7 + seed / 100, "gap": gap, "forget_gap": None, "seconds.total": seconds, "forget_loss": 0.9}
        evidence = {} if method == "original" else {"forgotten": 1234, "retained": 50000}
        return {
            "dataset": "<b>mine</b>", "model": "mf", "forget": "user:0.01", "method": method, "seed": seed, "figures": figures,
            "config": {"reg": 1e-5, "request": {"users": [424242]}}, "environment": {"python": "3"}, "evidence": evidence,
        }  # fmt: skip

    rows = (("original", 2.0, None), ("retrain", 1.0, 3.0), ("ifru", 1.1, 0.1))
    return [record(method, seed, gap, seconds) for method, gap, seconds in rows for seed in range(2)]


def answer():
    measures = {
        "gap": Measure("closeness", 1.1, 2.0, 1.0, None, 1.22, None, "pass", True),
        "forget_loss": Measure("forgetting", 0.9, 0.5, 0.92, 0.9, 0.94, -1.0, "fail", True),
        "auc": Measure("quality", 0.7, 0.8, 0.7, 0.69, None, 0.0, "pass", False),
        "map@20": Measure("quality", 0.1, None, None),
    }
    return Verification.of(measures, {}, counts={"forgotten_interactions": 1234}).as_dict()


def written(folder, made, **options):
    write_report(folder, made, **options)
    return (folder / "report.html").read_text()


def test_the_page_stands_alone_and_is_well_formed(tmp_path):
    page = written(tmp_path, records(), title="A < B", verification={"ifru": answer()})
    parser = Nesting()
    parser.feed(page)
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    assert not parser.tags & {"script", "link", "img", "iframe"}
    outside = set(re.findall(r"https?://[^\s\"'<)]+", page)) - {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert not outside
    assert page.count("<svg ") == 4
    assert all(f'href="#{name}"' not in page or name in parser.ids for name in re.findall(r'href="#([^"]+)"', page))
    assert "A &lt; B" in page
    assert "<b>mine</b>" not in page


def test_it_says_what_came_out_and_nothing_of_the_forgotten(tmp_path):
    found = answer() | {"linearity": {"predicted": 2e-3, "actual": 1.9e-3}}
    page = written(tmp_path, records(), title="t", verification={"ifru": found})
    assert "by 0.002 and lowered it by 0.0019" in page
    assert "(0.95 of it)" in page
    assert "1,234" in page
    assert "1 measure tells it from a retrained model" in page
    assert "424242" not in page
    assert "nan" not in re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL).lower()
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["verification"]["ifru"]["failed"] == ["forget_loss"]
    assert content["asked"]["forgotten"] == 1234
    assert "424242" not in (tmp_path / "report.json").read_text()


def test_without_verification_or_without_records(tmp_path):
    assert "Was it forgotten?" not in written(tmp_path, records(), title="t")
    with pytest.raises(DataError):
        write_report(tmp_path / "none", [], title="t")
    assert not (tmp_path / "none").exists()


def test_three_verdicts_are_told_apart(tmp_path):
    """Also on the page: what can't be told has neither passed nor failed, and a fact that doesn't hold is no measure."""
    measures = {"gap": Measure("closeness", 1.1, 2.0, 1.0, None, 1.22, None, "pass", True, 0.4)}
    unsure = Verification.of(measures, {}).as_dict()
    wrong = Verification.of(measures, {"unlearned_data": Fact(False, "7 of 9 forgotten interactions are in its data")}).as_dict()
    sure = Verification.of({"gap": replace(measures["gap"], power=0.9)}, {}).as_dict()
    for name, found, text in (
        ("unsure", unsure, "It can&#39;t be told: a model that forgot half would be found with a probability of 40% only"),
        ("wrong", wrong, "No, whatever it scores: unlearned_data: 7 of 9 forgotten interactions are in its data"),
        ("sure", sure, "Yes, as far as these measures can tell"),
    ):
        page = written(tmp_path / name, records(), title="t", verification={"ifru": found})
        assert text.replace("&#39;", "'") in page.replace("&#39;", "'")
        assert ('class="verdict pass"' in page) == (name == "sure")
