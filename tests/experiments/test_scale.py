"""Growth with the size: exponents, what is refused for want of memory, and the page; one small run of the command."""

import numpy as np
import pytest

from experiments.pages import scale as page
from experiments.reporting.json_lines import append_line, read_lines
from experiments.scale import __main__ as main
from experiments.scale.growth import exponent, extrapolated, last_exponent


def line(size, *, seconds, gigabytes):
    names = ("make", "load", "epoch", "prepare", "confined", "user", "bulk")
    return {
        "interactions": size,
        "seconds": dict.fromkeys(names, seconds),
        "gigabytes": dict.fromkeys(names, gigabytes),
        "products": {"user": 7, "bulk": 9},
        "environment": {"cpu_count": 2, "memory_gib": 23.5, "jax": "0", "python": "3"},
    }


def test_exponents_are_slopes_and_the_last_one_leads_on():
    figures = {10**4: 1.0, 10**5: 1.0, 10**6: 10.0}
    assert last_exponent(figures) == pytest.approx(1)
    assert exponent(figures) == pytest.approx(0.5)
    assert extrapolated(figures, 10**8) == pytest.approx(1000)


@pytest.mark.slow
def test_a_process_that_takes_too_much_is_ended_and_told(tmp_path, capsys):
    out = tmp_path / "scale.jsonl"
    assert main.scale(sizes=(10_000,), memory=0.1, out=out) == 1
    assert "10,000 was not measured: it took more than 0.1 GB." in capsys.readouterr().out
    assert not out.exists()


def test_the_page_tells_what_was_measured_from_what_was_not(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "PATH", tmp_path / "scale.jsonl")
    assert page.scale() == "Not measured yet."
    assert page.scale_machine() == "a machine"
    for size in (10**5, 10**6, 10**7):
        append_line(page.PATH, line(size, seconds=size / 1e5, gigabytes=1.6e-6 * size))
    heads, _, *rows = page.scale().splitlines()
    assert heads == "|  | 10⁵ | 10⁶ | 10⁷ | exponent | of the last two | 10⁸, extrapolated | 10⁹, extrapolated |"
    assert "| an epoch, s | 1.00 | 10.0 | 100 | 1.00 | 1.00 | 1,000 | 10,000 |" in rows
    assert "| products: forgetting 2 % | 9 | 9 | 9 | – | – | – | – |" in rows
    assert rows[-1] == "| devices of 80 GB that hold it | – | – | – | – | – | 2 | 20 |"
    assert page.power(300) == "300"


@pytest.mark.slow
def test_a_small_size_is_measured_once(tmp_path):
    out = tmp_path / "scale.jsonl"
    for _ in range(2):
        assert main.scale(sizes=(10_000,), out=out) == 0
    [(_, found)] = read_lines(out)
    assert (found["interactions"], found["users"], found["items"]) == (10_000, 1000, 100)
    parts = {"make", "load", "epoch", "prepare", "user", "confined", "bulk"}
    assert found["seconds"].keys() == found["gigabytes"].keys() == parts
    assert all(value > 0 for value in found["seconds"].values())
    assert (np.diff(list(found["gigabytes"].values())) >= 0).all()
    assert all(products > 0 for products in found["products"].values())
