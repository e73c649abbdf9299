"""Solvers for the step δ = f(H) b: Lanczos with a spectral filter, CG, Neumann series. Each brings its evidence."""

from ifru_jax.solvers.cg import conjugate_gradient
from ifru_jax.solvers.lanczos import Krylov, lanczos
from ifru_jax.solvers.neumann import neumann_series
from ifru_jax.solvers.result import Solution, check
from ifru_jax.solvers.spectral import FILTERS, SPECTRUM_RATIO, FilterName, damping_from_spectrum, damping_path, ritz, spectral_step

__all__ = [
    "FILTERS",
    "SPECTRUM_RATIO",
    "FilterName",
    "Krylov",
    "Solution",
    "check",
    "conjugate_gradient",
    "damping_from_spectrum",
    "damping_path",
    "lanczos",
    "neumann_series",
    "ritz",
    "spectral_step",
]
