"""The methods that train submodels on shards, on the label noise of the paper: each alone, since shards train for minutes.

IFRU_JAX_DATA=DIR python -m experiments.suite --family sharded
minutes  not recorded; the seconds in the records add up to 58
reaches  gaps to their own retraining between .98 and 1.16 (sisa), 1.00 and 1.12 (receraser)
"""

from experiments.suite.cell import DATA, MODELS, NOISE, Cell

METHODS = ("sisa", "receraser")
CELLS = [Cell(data, *model, NOISE, method, part=method) for data in DATA for model in MODELS for method in METHODS]
