"""Ten times the data: ml-1m.

IFRU_JAX_DATA=DIR python -m experiments.suite --family large
minutes  not recorded; the seconds in the records add up to 7
reaches  forget gaps of 1.09 (MF) and 1.13 (LightGCN-1)
"""

from experiments.suite.cell import MODELS, NOISE, QUICK_RIVALS, Cell

CELLS = [Cell("ml-1m", *model, NOISE, f"ifru,ifru-end,{QUICK_RIVALS}") for model in MODELS]
