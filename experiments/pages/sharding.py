"""Blocks of docs/devices.md: what devices send one another."""

import json
from typing import Any

from experiments import RESULTS
from experiments.pages.blocks import block
from experiments.reporting.main_table import markdown

PATH = RESULTS / "sharding.json"
_MEGABYTE = 1e6


@block
def sharding(part: str) -> str:
    """What is sent per product and step, what two axes would send, or the bytes of the largest array that is gathered."""
    lines: list[dict[str, Any]] = json.loads(PATH.read_text())["lines"]
    if part == "gathered":
        return str(max(line["gathered"] for line in lines))
    if part == "two-axes":
        heads = ["data", "devices", "sent per product, MB", "two axes would save, MB", "and send to add up, MB"]
        return markdown(heads, [_two_axes(line) for line in lines if line["model"] == "mf" and line["devices"] > 2])
    heads = ["data", "model", "devices", "interactions of a device", "items that it touches", "exchanges", "sent per product, MB"]
    heads += ["share of two exchanges", "sent per minibatch, MB", "memory of a product, MB", "on one device, MB"]
    return markdown(heads, [_row(line) for line in lines])


def _two_axes(line: dict[str, Any]) -> list[str]:
    """Of tables that lie twice, in n / 2 blocks: what is in one's own block isn't sent, and what both copies find is added up."""
    row = 4 * line["embedding_size"] / line["devices"] / _MEGABYTE
    saved, added = 2 * line["item rows"][1] * row, 2 * (line["users"] + line["items"]) * row
    return [line["data"], str(line["devices"]), *(f"{of:.2f}" for of in (line["sent in a product"] / _MEGABYTE, saved, added))]


def _row(line: dict[str, Any]) -> list[str]:
    few, many = line["item rows"]
    sizes = [f"{line[name] / _MEGABYTE:.1f}" for name in ("sent in a step", "memory", "memory of one")]
    return [
        line["data"],
        line["model"],
        str(line["devices"]),
        f"{line['most interactions']:,}",
        f"{few:,}" if few == many else f"{few:,} to {many:,}",
        str(line["exchanges"]),
        f"{line['sent in a product'] / _MEGABYTE:.1f}",
        f"{line['sent in a product'] / line['two exchanges']:.2f}",
        *sizes,
    ]
