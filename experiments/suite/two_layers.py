"""LightGCN with two layers, and the request of the authors' own figure: 1 % of flipped labels on bookcrossing.

IFRU_JAX_DATA=DIR python -m experiments.suite --family two_layers
minutes  not recorded; the seconds in the records add up to 6
reaches  LightGCN-2: forget gap .97 on ml-100k, 1.31 on bookcrossing; 1 %: forget gap 1.41, test AUC of retraining .715
"""

from experiments.suite.cell import NOISE, Cell

CELLS = [Cell(data, "lightgcn", 2, NOISE, "ifru,ifru-end") for data in ("ml-100k", "bookcrossing")]
CELLS.append(Cell("bookcrossing", "lightgcn", 1, "noise:0.01", "ifru,ifru-end"))
