"""Any differentiable recommender, any objective, on ml-100k; default hyper-parameters.

IFRU_JAX_DATA=DIR python -m experiments.suite --family any_model
minutes  not recorded; the seconds in the records add up to 71, of which sasrec takes 31
reaches  mean gap 1.10 and forget gap 1.30 over eighteen models with label noise, mean gap 1.06 with whole users
"""

from experiments.run.models import ModelName, ObjectiveName
from experiments.suite.cell import NOISE, Cell

MODELS: tuple[tuple[ModelName, int, ObjectiveName], ...] = (
    ("bias-mf", 0, "bce"),
    ("gmf", 0, "bce"),
    ("fm", 0, "bce"),
    ("deepfm", 0, "bce"),
    ("neumf", 0, "bce"),
    ("ngcf", 1, "bce"),
    ("simgcl", 1, "bce"),
    ("multvae", 0, "bce"),
    ("sasrec", 0, "bce"),
    ("mf", 0, "wmse"),
    ("mf", 0, "bpr"),
    ("mf", 0, "full-softmax"),
    ("lightgcn", 1, "bpr"),
    ("bias-mf", 0, "bpr"),
    ("neumf", 0, "bpr"),
    ("simgcl", 1, "bpr"),
    ("sasrec", 0, "bpr"),
    ("multvae", 0, "full-softmax"),
)
CELLS = [
    Cell("ml-100k", model, layers, forget, "ifru,finetune", objective)
    for model, layers, objective in MODELS
    for forget in (NOISE, "user:0.01")
]
