"""Label correction on ml-100k: the 2 % flipped labels are set right instead of forgotten; retraining learns the right ones.

IFRU_JAX_DATA=DIR python -m experiments.suite --family corrections
minutes  five on two cores
reaches  forget slope within .1 of 1 with MF and LightGCN, AUC within .002 of retraining's
"""

from experiments.suite.cell import Cell

METHODS = "ifru,warm-retrain,finetune"
CELLS = [Cell("ml-100k", model, layers, "correct:0.02", METHODS) for model, layers in (("mf", 0), ("lightgcn", 1), ("lightgcn", 2))]
CELLS.append(Cell("ml-100k", "mf", 0, "correct:0.02", METHODS, "bpr"))
