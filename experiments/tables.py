"""The tables of README and docs, from the committed results.

python -m experiments.tables            # rewrites the tables of docs/, and block and picture of README.md
python -m experiments.tables --check    # changes nothing; exit status 1 if a file is not what the results give
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from experiments.benchmark.__main__ import BENCHMARKS
from experiments.committed import read_summary
from experiments.forget_set_tables import claim_table, forget_sets_page, has_own_page, write_share_figures
from experiments.method_tables import any_model_page, rivals_page, write_extras
from experiments.methods import REGISTRY
from experiments.published_table import published_page
from experiments.readme_figure import is_current, write_figure
from experiments.reporting import FIGURES, read_records
from experiments.reporting.json_files import write_atomic
from experiments.reporting.main_table import MISSING, markdown, number, plain, seconds, times
from experiments.suite import RESULTS
from experiments.targets import targets

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- results -->", "<!-- /results -->"
DATA_ORDER = ("movielens-small", "ml-100k", "bookcrossing", "amazon", "ml-1m")
NOTE = "<!-- Made by `python -m experiments.tables` from experiments/results; edit neither by hand. -->\n\n"


@dataclass(frozen=True)
class Tables:
    """Makes the tables.

    Attributes:
      check: compare only.
    """

    check: bool = False


def summaries() -> list[dict[str, Any]]:
    """All committed comparisons of the models of the IFRU paper: by request, model, data."""
    # A part of a comparison has no IFRU of its own.
    found = [s for path in RESULTS.glob("*/summary.json") if "ifru" in (s := read_summary(path))["methods"]]
    found = [s for s in found if s["model"] in ("mf", "lightgcn-1", "lightgcn-2") and not has_own_page(s)]
    return sorted(found, key=lambda s: (s["forget"], s["model"], DATA_ORDER.index(s["dataset"])))


def mean(summary: dict, method: str, figure: str) -> float | None:
    """The mean of a figure over seeds, None if it is not there."""
    return summary["methods"].get(method, {}).get(figure, {}).get("mean")


def with_spread(summary: dict, method: str, figure: str, digits: int) -> str:
    """mean ± standard deviation over seeds."""
    entry = summary["methods"].get(method, {}).get(figure, {})
    if entry.get("mean") is None:
        return MISSING
    return plain(entry["mean"], digits) + ("" if entry["std"] is None else f" ± {plain(entry['std'], digits)}")


def arrow(summary: dict, figure: str, digits: int = 2) -> str:
    """Original → IFRU."""
    return f"{plain(mean(summary, 'original', figure), digits)} → {plain(mean(summary, 'ifru', figure), digits)}"


def average(chosen: list[dict], method: str, figure: str) -> float | None:
    """Mean over comparisons, None if it is missing in one."""
    values = [mean(s, method, figure) for s in chosen]
    return float(np.mean([v for v in values if v is not None])) if values and None not in values else None


def noise_table(chosen: list[dict]) -> str:
    """Quality and closeness where 2 % of the labels were flipped and then forgotten."""
    heads = [
        "data, model",
        "AUC original",
        "AUC retrained",
        "AUC IFRU",
        "gap",
        "forget gap",
        "forget slope",
        "forget loss: retrained, IFRU",
    ]
    rows = [
        [
            f"{s['dataset']}, {s['model']}",
            *(with_spread(s, method, "auc", 4) for method in ("original", "retrain", "ifru")),
            arrow(s, "gap"),
            arrow(s, "forget_gap"),
            plain(mean(s, "ifru", "forget_slope"), 2),
            f"{plain(mean(s, 'retrain', 'forget_loss'))}, {plain(mean(s, 'ifru', 'forget_loss'))}",
        ]
        for s in chosen
    ]
    six = [s for s in chosen if s["model"] in ("mf", "lightgcn-1")]
    averages = [f"{plain(average(six, 'original', f), 2)} → {plain(average(six, 'ifru', f), 2)}" for f in ("gap", "forget_gap")]
    rows.append(
        [f"mean of the {len(six)} with MF or LightGCN-1", "", "", "", *averages, plain(average(six, "ifru", "forget_slope"), 2), ""]
    )
    return markdown(heads, rows)


def plain_table(chosen: list[dict]) -> str:
    """The figures behind the gaps."""
    heads = ["data, model, request", "noise", "RMS", "share removed", "score std: retrained, IFRU", "forget noise", "forget RMS"]
    rows = [
        [
            f"{s['dataset']}, {s['model']}, {s['forget']}",
            plain(mean(s, "retrain", "noise")),
            arrow(s, "rms", 3),
            plain(mean(s, "ifru", "share_removed"), 2),
            f"{plain(mean(s, 'retrain', 'score_std'), 2)}, {plain(mean(s, 'ifru', 'score_std'), 2)}",
            plain(mean(s, "retrain", "forget_noise")),
            arrow(s, "forget_rms", 3),
        ]
        for s in chosen
    ]
    return markdown(heads, rows)


def user_table(chosen: list[dict]) -> str:
    """Whole users: their own scores are constants, so gap and RMS of those who remain, and what is left of the forgotten."""
    heads = ["data, model, request", "AUC original", "AUC retrained", "AUC IFRU", "gap", "RMS", "RMS on forgotten pairs"]
    rows = [
        [
            f"{s['dataset']}, {s['model']}, {s['forget']}",
            *(with_spread(s, method, "auc", 4) for method in ("original", "retrain", "ifru")),
            arrow(s, "gap"),
            arrow(s, "rms", 3),
            f"{plain(mean(s, 'original', 'forget_rms'))} → {plain(mean(s, 'ifru', 'forget_rms'))}",
        ]
        for s in chosen
    ]
    return markdown(heads, rows)


def time_table(chosen: list[dict]) -> str:
    """Warm seconds and what they are a fraction of."""
    heads = [
        "data, model, request", "IFRU", "first call", "prepare", "retraining", "against it", "against protocol", "against fastest",
        "full gradients",
    ]  # fmt: skip
    rows = [
        [
            f"{s['dataset']}, {s['model']}, {s['forget']}",
            *(seconds(mean(s, "ifru", f"seconds.{part}")) for part in ("total", "first_call", "prepare")),
            seconds(mean(s, "retrain", "seconds.total")),
            *(times(mean(s, "ifru", f"speedup_vs_{name}")) for name in ("retrain", "protocol", "fastest")),
            number(mean(s, "ifru", "gradient_evaluations")),
        ]
        for s in chosen
    ]
    return markdown(heads, rows)


def stream_table(chosen: list[dict]) -> str:
    """One request of 2 % against ten of 0.2 %, one on the result of the other."""
    heads = [
        "data, model",
        "RMS to retraining: one request",
        "ten requests",
        "ratio",
        "forget RMS: one request",
        "ten requests",
        "ratio",
    ]
    rows = []
    for s in chosen:
        row = [f"{s['dataset']}, {s['model']}"]
        for figure in ("rms", "forget_rms"):
            one, ten = mean(s, "ifru", figure), mean(s, "ifru-stream", figure)
            row += [plain(one), plain(ten), MISSING if not one or ten is None else plain(ten / one)]
        rows.append(row)
    return markdown(heads, rows)


def ablation_table(chosen: list[dict]) -> str:
    """IFRU with one thing changed."""
    names = [n for n in REGISTRY if n.startswith("ifru") and n != "ifru-stream" and not n.startswith("ifru-authors")]
    names = [n for n in names if any(n in s["methods"] for s in chosen)]
    heads = ["gap / forget gap / slope", *(f"{s['dataset']}, {s['model']}" for s in chosen)]
    rows = [
        [name, *("/".join(plain(mean(s, name, f), 2) for f in ("gap", "forget_gap", "forget_slope")) for s in chosen)]
        for name in names
    ]
    return markdown(heads, rows)


def results_page() -> str:
    """docs/results.md."""
    every = summaries()
    noise = [s for s in every if s["forget"] == "noise:0.02"]
    users = [s for s in every if s["forget"].startswith("user")]
    full = [s for s in noise if "ifru-stream" in s["methods"]]
    checked = [[t.what, t.target, t.measured, "yes" if t.reached else "no"] for t in targets(every)] if noise else []
    sections = {
        "Targets": (
            "Set before the runs; the six cells are three data sets with MF and LightGCN-1.",
            markdown(["what", "target", "measured", "reached"], checked),
        ),
        "Flipped labels, forgotten": (
            "2 % of the training labels were flipped, trained on, and then forgotten. An arrow goes from the original model to "
            "IFRU. A gap of 1 is the distance of one retrained model from another; a slope of 1 means that IFRU changed the "
            "forgotten pairs exactly as much as retraining does.",
            noise_table(noise),
        ),
        "Whole users, forgotten": (
            "All interactions of 1 % and 5 % of the users. Doing nothing already has a gap near 1 here, so the gap proves little: "
            "the scores of the forgotten pairs are constants in a retrained model, and their RMS says what is left of them.",
            user_table(users),
        ),
        "Ten requests, one after the other": (
            "The same 2 % in ten requests of 0.2 %, each on the result of the one before.",
            stream_table(full),
        ),
        "Time": (
            "Warm seconds on two CPU cores from the request to parameters that can serve, medians of three; baselines and IFRU "
            "alike were timed while another comparison ran beside them, so seconds are upper bounds and ratios are noisy. "
            "*Retraining* is the configuration of the comparison (best validation AUC); *protocol* is Adam with batch "
            "2,048 and patience 10 at its best learning rate; *fastest* any configuration within .001 of the best validation "
            "AUC, and protocol retraining where that came out faster. *Full gradients*: the time in full-batch gradients.",
            time_table(every),
        ),
        "One thing changed": ("`ifru` is the default.", ablation_table(full)),
        "The plain figures": ("Behind the gaps; in score units.", plain_table(every)),
    }
    body = "\n\n".join(f"## {title}\n\n{text}\n\n{table}" for title, (text, table) in sections.items())
    return f"# Results\n\n{NOTE}Definitions: [figures.md](figures.md).\n\n{body}\n"


def damping_table() -> str:
    """docs/damping_table.md, from the study."""
    path = RESULTS / "damping.jsonl"
    records = read_records(path) if path.exists() else []
    groups: dict[tuple, list[dict]] = defaultdict(list)
    for r in records:
        groups[tuple(r["config"][k] for k in ("filter", "exponent", "num_steps", "ratio"))].append(r)
    cells = list(dict.fromkeys((r["dataset"], r["model"]) for r in records))
    heads = ["filter", "exponent", "steps", "c", "mean gap", "mean forget gap", "slopes", *(f"{d}, {m}" for d, m in cells)]
    rows = []
    for (name, exponent, steps, ratio), found in sorted(groups.items()):
        by_cell = {(r["dataset"], r["model"]): r["figures"] for r in found}
        slopes = [f["forget_slope"] for f in by_cell.values()]
        rows.append(
            [name, f"{exponent:g}", str(steps), f"{ratio:g}"]
            + [plain(float(np.mean([f[k] for f in by_cell.values()])), 3) for k in ("gap", "forget_gap")]
            + [f"{min(slopes):.2f} – {max(slopes):.2f}"]
            + ["/".join(f"{by_cell[c][k]:.2f}" for k in ("gap", "forget_gap", "forget_slope")) for c in cells if c in by_cell]
        )
    text = "Each cell: gap / forget gap / forget slope, means over three seeds; 2 % of flipped labels, forgotten.\n\n"
    return f"# Damping: all variants\n\n{NOTE}{text}{markdown(heads, rows)}\n"


def figures_page() -> str:
    """docs/figures.md: what each figure means."""
    lines = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in FIGURES.items())
    return (
        f"# The figures\n\n{NOTE}Split and forget set are fixed by the data; seeds vary initialisation and batch order, and are "
        "never shared by an original and a retrained model. Test data chooses nothing. A loss that compares "
        "items of one user leaves the level of the user's scores free: then AUC, gaps and distances are taken of scores less the "
        "user's mean over all items.\n\n"
        f"| figure | meaning |\n| --- | --- |\n{lines}\n"
    )


CLAIM = """\
## More than 250 times faster, with comparable quality?

The claim of the paper, comparison by comparison: seconds of IFRU against those of protocol retraining (what the paper compares
with) and of the fastest retraining that is as good (ours, tuned; protocol retraining where that came out faster). Kept models count
with the seconds their training took, so a loaded machine may have slowed either side: read these as orders of magnitude, and
[benchmark.md](benchmark.md) for figures of one run on a quiet machine. The AUC differs by less than retrained
seeds do where the range is larger than the difference.

"""
# Details of a benchmark that its row shows.
# The last two are of data sets that are compared; of others the errors stand together.
_FAMILIES = ("megabytes.", "products.", "milliseconds.", "error.p50.", "error.p95.")
_SHOWN = ("gap", "forget_gap", "forget_slope")
_ERRORS = ("error", "error.scores", "error.forgotten")


def _facts(figure: dict) -> str:
    """What else the run measured, in a cell; errors as median and 95th percentile."""
    shown = [f"{name} {figure[name]:.2f}" for name in _SHOWN if name in figure]
    for name in _ERRORS:
        if f"{name}.p50" in figure:
            shown.append(f"{name.removeprefix('error.')} {figure[f'{name}.p50']:.2f} ({figure[f'{name}.p95']:.2f})")
    return ", ".join([*shown, *(f"{name} {figure[name]:.4g}" for name in figure if name.startswith(_FAMILIES))])


def benchmark_page() -> str:
    """docs/benchmark.md, from results/benchmark.json."""
    path = RESULTS / "benchmark.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    rows = [
        [
            name,
            f"{f['value']:.3g} {f['unit']}",
            " – ".join(f"{bound:.3g}" for bound in f["spread"]),
            f"{f['target']:g}",
            "yes" if f["reached"] else "no",
            f.get("baseline", "none"),
            f"{seconds(f.get('seconds.ours'))}, {seconds(f.get('seconds.baseline'))}",
            _facts(f),
        ]
        for name, f in sorted(found.items(), key=lambda entry: _place(entry[0]))
    ]
    table = markdown(
        ["figure", "value", "10 – 90 %", "target", "reached", "against", "seconds: ours, baseline", "in the same run"], rows
    )
    text = (
        "Medians on two CPU cores, everything compiled before. Products with the Hessian: ours and the baseline in turn, data as "
        "arguments, linearised once. `bulk`: 2 % label noise of ml-1m. `interaction`, `user`: requests confined to the endpoints "
        "of what they forget, solved with four products (LightGCN: and on the 4,000, for users 64,000, most important "
        "interactions). `error`: relative error of Δθ against the float64 step over all rows; `scores`, `forgotten`: the same of "
        "the changes of the scores "
        "of all retained and of the forgotten interactions, medians (95th percentiles). `accuracy`: what these cost, by the rows "
        "that may move: the endpoints with 2, 4 and 10 products (`1k` … `64k`: with 4, and a budget of as many thousand "
        "interactions), half or all of their neighbours (`65k`: with a budget of 65,000), all "
        "rows with 10 and with 20 products. `batch`: 64 independent requests in one call. `block-jacobi`: products of plain "
        "conjugate gradients for each that preconditioned ones take, blocks included. The search for hyper-parameters of ml-1m is "
        "not finished: few fast configurations were tried (and no learning rate of 1e-4 with LightGCN), so a faster retraining "
        "within .001 of the best may well exist, and a ratio against the *fastest* is provisional.\n\n"
    )
    return f"# Benchmark\n\n{NOTE}{text}{table}\n"


def _place(figure: str) -> int:
    """Figures stand in the order of the benchmarks they are of."""
    return max((place for place, name in enumerate(BENCHMARKS) if figure.startswith(name)), default=len(BENCHMARKS))


def readme() -> str:
    """README.md with the block of results in it."""
    noise = [s for s in summaries() if s["forget"] == "noise:0.02"]
    heads = ["data, model", "AUC original → IFRU (retrained)", "gap", "forget gap", "forget slope", "seconds"]
    heads.append("against protocol / fastest retraining")
    rows = [
        [
            f"{s['dataset']}, {s['model']}",
            f"{plain(mean(s, 'original', 'auc'), 4)} → {plain(mean(s, 'ifru', 'auc'), 4)} ({with_spread(s, 'retrain', 'auc', 4)})",
            arrow(s, "gap"),
            arrow(s, "forget_gap"),
            plain(mean(s, "ifru", "forget_slope"), 2),
            seconds(mean(s, "ifru", "seconds.total")),
            f"{times(mean(s, 'ifru', 'speedup_vs_protocol'))} / {times(mean(s, 'ifru', 'speedup_vs_fastest'))}",
        ]
        for s in noise
    ]
    text = (ROOT / "README.md").read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{markdown(heads, rows)}\n\n{END}{tail}"


def main(options: Tables) -> int:
    """Writes or checks the files; returns the number of files that were not up to date."""
    made = {
        "docs/results.md": results_page(),
        "docs/damping_table.md": damping_table(),
        "docs/figures.md": figures_page(),
        "docs/benchmark.md": benchmark_page(),
        "docs/rivals.md": f"{NOTE}{rivals_page()}\n{CLAIM}{claim_table()}\n",
        "docs/any_model.md": NOTE + any_model_page(),
        "docs/forget_sets.md": NOTE + forget_sets_page(),
        "docs/published.md": NOTE + published_page(),
        "README.md": readme(),
    }
    stale = [name for name, text in made.items() if not (ROOT / name).exists() or (ROOT / name).read_text() != text]
    picture = ROOT / "docs" / "readme.svg"
    current = is_current(picture, every := summaries())
    if options.check:
        stale += [] if current else ["docs/readme.svg"]
        for name in stale:
            sys.stderr.write(f"{name} is not what the results give: run python -m experiments.tables\n")
        return len(stale)
    for name in stale:
        write_atomic(ROOT / name, made[name])
    if not current:
        write_figure(picture, every)
    write_extras(ROOT / "docs" / "paper")
    write_share_figures(ROOT / "docs" / "paper")
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Tables)))
