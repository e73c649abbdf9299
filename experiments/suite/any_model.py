"""Any differentiable recommender, any objective, on ml-100k; default hyper-parameters.

IFRU_JAX_DATA=DIR python -m experiments.suite --family any_model
minutes  not recorded; the seconds in the records add up to 71, of which sasrec takes 31
reaches  mean gap 1.10 and forget gap 1.30 over eighteen models with label noise, mean gap 1.06 with whole users
"""

from experiments.run.models import ModelName, ObjectiveName
from experiments.suite.cell import NOISE, Cell

WITH_CROSS_ENTROPY: tuple[ModelName, ...] = ("bias-mf", "gmf", "fm", "deepfm", "neumf", "ngcf", "simgcl", "multvae", "sasrec")
WITH_OTHERS: tuple[tuple[ModelName, ObjectiveName], ...] = (
    *(("mf", "wmse"), ("mf", "bpr"), ("mf", "full-softmax")),
    *(("lightgcn", "bpr"), ("bias-mf", "bpr"), ("neumf", "bpr"), ("simgcl", "bpr"), ("sasrec", "bpr")),
    ("multvae", "full-softmax"),
)


def _cells(model: ModelName, objective: ObjectiveName) -> list[Cell]:
    return [Cell("ml-100k", model, 1, forget, "ifru,finetune", objective) for forget in (NOISE, "user:0.01")]


CELLS = [cell for model in WITH_CROSS_ENTROPY for cell in _cells(model, "bce")]
CELLS += [cell for pair in WITH_OTHERS for cell in _cells(*pair)]
