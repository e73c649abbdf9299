"""Records of several seeds to one mean and standard deviation per method and figure.

    mean = Σ x_s / S        std = √( Σ (x_s − mean)² / (S − 1) ),   null for S = 1

over the S seeds in which the figure applies; both null where it applies in none.
"""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from experiments.reporting.definitions import in_order
from experiments.reporting.json_files import as_json
from ifru_jax.errors import DataError

# What every method reports, applicable or not, so that a reader of summary.json needs no special case.
ALWAYS = (
    *("auc", "auc_or", "auc_and", "ndcg@20", "recall@20", "forget_loss"),
    *("forget_undone", "slope", "undone", "gap", "forget_gap", "forget_slope", "rms", "forget_rms", "score_std"),
    *("seconds.total", "seconds.first_call", "seconds.prepare", "speedup_vs_retrain"),
)


def summarise(records: Sequence[Mapping[str, Any]], *, seeds: int | None = None) -> dict[str, Any]:
    """One comparison as `{"dataset", "model", "forget", "seeds", "methods": {NAME: {FIGURE: {"mean", "std"}}}}`.

    Args:
      records: of one data set, model and request. Of two records with the same method and seed the later one counts: it
        is the repetition.
      seeds: how many seeds were asked for. None counts the original's, or without an original the method with the most:
        retraining may have more than were asked for, since the noise needs two.

    Returns:
      Every method has every figure that occurs in any record, and those of `ALWAYS`; numbers are floats or None.

    Raises:
      DataError: no records, or records of different comparisons.
    """
    if not records:
        raise DataError("there are no records to summarise: run a method first.")
    title = {}
    for name in ("dataset", "model", "forget"):
        title[name], *others = sorted({str(record[name]) for record in records})
        if others:
            raise DataError(f"the records have {name} {', '.join([title[name], *others])}: summarise one at a time.")
    latest = {(record["method"], record["seed"]): as_json(record["figures"]) for record in records}
    names = in_order([*ALWAYS, *(name for figures in latest.values() for name in figures)])
    methods: dict[str, Any] = {}
    for method in dict.fromkeys(record["method"] for record in records):
        runs = [figures for (owner, _), figures in latest.items() if owner == method]
        methods[method] = {name: _mean_and_std(run.get(name) for run in runs) for name in names}
    counts = Counter(method for method, _ in latest)
    return {**title, "seeds": seeds or counts.get("original") or max(counts.values()), "methods": methods}


def _mean_and_std(values: Iterable[float | None]) -> dict[str, float | None]:
    present = [float(value) for value in values if value is not None]
    return {"mean": statistics.fmean(present) if present else None, "std": statistics.stdev(present) if len(present) > 1 else None}
