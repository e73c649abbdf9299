"""Forget sets of all sizes and kinds, on the smallest data.

IFRU_JAX_DATA=DIR python -m experiments.suite --family sizes
minutes  not recorded; the seconds in the records add up to 11
reaches  forget gaps of 1.00 to 1.35 up to 5 % of flipped labels, 1.14 to 2.05 for 10 % and 20 %
"""

from experiments.suite.cell import MODELS, QUICK_RIVALS, Cell

SHARES = tuple(f"noise:{share}" for share in ("0.005", "0.01", "0.05", "0.1", "0.2"))
KINDS = ("interaction:0.02", "item:0.01", "core:0.01", "edge:0.01")
# So large that a request is cut into parts: also in one, and in ten.
LARGE = ("noise:0.1", "noise:0.2")
IN_PARTS = ",ifru-one-step,ifru-stream"
CELLS = [
    Cell("ml-100k", *model, forget, f"ifru,{QUICK_RIVALS}{IN_PARTS if forget in LARGE else ''}")
    for model in MODELS
    for forget in (*SHARES, *KINDS)
]
