"""What the lines of the journal say of a step, beside what belongs to its kind: sizes, tags, evidence, versions."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ifru_jax.store.resolve import Resolved
from ifru_jax.store.states import State
from ifru_jax.unlearning import Report


def versions() -> dict[str, str]:
    """Of what computed a step."""
    found = {}
    for name in ("ifru_jax", "jax", "jaxlib", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "from a checkout"
    return found


def tags(resolved: Resolved, along: list[str]) -> dict[str, list[str]]:
    """Tags by what became of them, each sorted: their order would tell of the request's."""
    there = resolved.of("there")
    groups = {
        "erased": [one.tag for one in there if one.kind != "correction"],
        "corrected": [one.tag for one in there if one.kind == "correction"],
        "again": [one.tag for one in resolved.of("done already")],
        "absent": [one.tag for one in resolved.of("not in the data")],
        "along": along,
    }
    return {name: found for name, marks in groups.items() if (found := sorted(tag for tag in marks if tag)) or name == "erased"}


def evidence(report: Report) -> dict[str, Any]:
    """What a line says of how a step ended."""
    found = report.as_dict()
    rest = {name: value for name, value in found.items() if name not in ("status", "seconds")}
    return {"status": found["status"], "seconds": report.seconds["total"], "evidence": rest}


def sizes(state: State) -> dict[str, int]:
    """What there is in a state."""
    data = state.model.interactions
    users, items = int((data.user_degrees() > 0).sum()), int((data.item_degrees() > 0).sum())
    return {"interactions": len(data), "users": users, "items": items, "held_out": state.held_out}
