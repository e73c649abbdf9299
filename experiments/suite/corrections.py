"""Label correction on ml-100k: the 2 % flipped labels are set right instead of forgotten; retraining learns the right ones.

IFRU_JAX_DATA=DIR python -m experiments.suite --family corrections
minutes  not recorded
reaches  forget slopes of 1.06 (MF), 1.14 and 1.08 (LightGCN-1, -2) and 1.01 (MF with BPR)
"""

from experiments.suite.cell import MODELS, Cell

METHODS = "ifru,warm-retrain,finetune"
CELLS = [Cell("ml-100k", *model, "correct:0.02", METHODS) for model in MODELS]
CELLS.append(Cell("ml-100k", "lightgcn", 2, "correct:0.02", METHODS))
CELLS.append(Cell("ml-100k", "mf", 0, "correct:0.02", METHODS, "bpr"))
