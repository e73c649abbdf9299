"""What may become of the weights that every interaction touches: left alone, the last layer alone, within a random subspace.

IFRU_JAX_DATA=DIR python -m experiments.suite --family shared_weights
minutes  not recorded; the seconds in the records add up to 4
reaches  forget gaps within .07 of updating all of them, in a tenth to three quarters of the seconds
"""

from experiments.run.models import ModelName
from experiments.suite.cell import NOISE, Cell

METHODS = ("ifru-freeze", "ifru-last-layer", "ifru-subspace")
MODELS: tuple[ModelName, ...] = ("gmf", "neumf", "fm", "deepfm")
CELLS = [Cell("ml-100k", model, 0, NOISE, ",".join(METHODS), part="shared") for model in MODELS]
