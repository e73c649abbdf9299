"""Laws of activity and popularity for `ifru_jax.data.synthetic`, fitted to real data.

    IFRU_JAX_DATA=DIR python -m experiments.studies.degrees [NAME ...]

A few seconds a data set. Prints q and s of w(x) = (x + q)^−s for users and items of each, the root mean square of what is left of
the logarithm of the degrees, and the share of the interactions that the most frequent hundredth of the rows has, in the data and
by the law.
"""

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize

from experiments.run.command_line import command
from ifru_jax.data import load_dataset

# Beyond, the law is an exponential and q is free.
MOST_Q = 2.0


def degrees(names: tyro.conf.Positional[tuple[str, ...]] = ("ml-1m", "gowalla")) -> None:
    """Fits and prints.

    Args:
      names: data sets.
    """
    table = Table("data", "side", "rows", "q", "s", "rms of log", "top hundredth", "by the law")
    for name in names:
        data = load_dataset(name).interactions
        for side, rows in (("users", data.users), ("items", data.items)):
            found = np.bincount(rows)
            found = np.sort(found[found > 0])[::-1].astype(float)
            q, s, error = fitted(found)
            shares = [of[: len(of) // 100].sum() / of.sum() for of in (found, law(len(found), q, s))]
            table.add_row(name, side, str(len(found)), *(f"{value:.4g}" for value in (q, s, error, *shares)))
    Console().print(table)


def fitted(found: np.ndarray) -> tuple[float, float, float]:
    """q, s, and the error in the logarithm, of degrees that descend."""
    target = np.log(found / found.mean())

    def error(at: np.ndarray) -> float:
        return float(np.mean((np.log(law(len(found), *_inside(at))) - target) ** 2))

    starts = [(a, b) for a in (-6.0, -3.0, 0.0) for b in (-1.0, 0.0, 1.0, 2.0)]
    best = min((minimize(error, start, method="Nelder-Mead") for start in starts), key=lambda one: one.fun)
    return *_inside(best.x), float(np.sqrt(best.fun))


def law(size: int, q: float, s: float) -> np.ndarray:
    """w of every rank, of mean 1."""
    weights = ((np.arange(size) + 0.5) / size + q) ** -s
    return weights / weights.mean()


def _inside(at: np.ndarray) -> tuple[float, float]:
    return float(min(np.exp(at[0]), MOST_Q)), float(np.exp(min(at[1], 4.0)))


if __name__ == "__main__":
    command(degrees, __doc__)
