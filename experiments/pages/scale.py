"""Block of docs/scale.md: growth with the number of interactions."""

from typing import Any

from experiments.pages.blocks import block
from experiments.reporting.json_lines import read_lines
from experiments.reporting.main_table import MISSING, markdown, number, seconds
from experiments.scale.__main__ import PATH
from experiments.scale.growth import exponent, extrapolated, last_exponent

_LARGER = (10**8, 10**9)
_DEVICE_GB = 80
_SHOWN = {
    "make": "making the data, s",
    "load": "streaming it from Parquet, s",
    "epoch": "an epoch, s",
    "prepare": "preparing for requests, s",
    "user": "forgetting a user, s",
    "confined": "the same, confined, s",
    "bulk": "forgetting 2 %, s",
}
_DIGITS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@block
def scale() -> str:
    """Seconds and memory by size, how they grow, and what larger sizes would take."""
    lines = {line["interactions"]: line for _, line in read_lines(PATH)}
    if len(lines) < 2:
        return "Not measured yet."
    sizes = sorted(lines)
    larger = [size for size in _LARGER if size > sizes[-1]]
    heads = [
        "",
        *(power(size) for size in sizes),
        "exponent",
        "of the last two",
        *(f"{power(size)}, extrapolated" for size in larger),
    ]
    rows = []
    for name, shown in _SHOWN.items():
        found = {size: lines[size]["seconds"][name] for size in sizes}
        rows.append([shown, *_row(found, larger)])
    for name in ("user", "bulk"):
        products = [str(lines[size]["products"][name]) for size in sizes]
        rows.append([f"products: {_SHOWN[name].removesuffix(', s')}", *products, *[MISSING] * (2 + len(larger))])
    memory = {size: max(lines[size]["gigabytes"].values()) for size in sizes}
    trained = {size: lines[size]["gigabytes"]["epoch"] for size in sizes}
    rows += [["memory until trained, GB", *_row(trained, larger)], ["memory in all, GB", *_row(memory, larger)]]
    devices = [str(-(-int(extrapolated(memory, size)) // _DEVICE_GB)) for size in larger]
    rows.append([f"devices of {_DEVICE_GB} GB that hold it", *[MISSING] * (len(sizes) + 2), *devices])
    return markdown(heads, rows)


@block
def scale_machine() -> str:
    """Where it was measured, in words."""
    lines = [line for _, line in read_lines(PATH)]
    if not lines:
        return "a machine"
    where: dict[str, Any] = lines[-1]["environment"]
    return f"{where['cpu_count']} cores, {number(where['memory_gib'])} GiB, JAX {where['jax']}, Python {where['python']}"


def _row(found: dict[int, float], larger: list[int]) -> list[str]:
    values = [seconds(found[size]) for size in sorted(found)]
    return [
        *values,
        f"{exponent(found):.2f}",
        f"{last_exponent(found):.2f}",
        *(seconds(extrapolated(found, size)) for size in larger),
    ]


def power(size: int) -> str:
    """10⁷ for a power of ten, else the number."""
    digits = str(size)
    return f"10{str(len(digits) - 1).translate(_DIGITS)}" if digits.strip("0") == "1" else f"{size:,}"
