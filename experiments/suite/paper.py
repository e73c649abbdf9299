"""The cells of the IFRU paper: three data sets, MF and LightGCN-1; flipped labels with every method, whole users.

IFRU_JAX_DATA=DIR python -m experiments.suite --family paper
minutes  not recorded; the seconds in the records add up to 65
reaches  label noise: mean gap 1.02 and forget gap 1.25 over the six cells; whole users: mean gap .97 over twelve
"""

from experiments.suite.cell import DATA, MODELS, NOISE, Cell

# Those that train again, those that change the trained parameters, those that do so for IFRU's own time and ten times it.
RIVALS = (
    "warm-retrain,scif,gif,gif-damped,gradient,ifru-authors,ifru-authors-tuned,"
    "finetune,finetune-10x,gradient-ascent,gradient-ascent-10x"
)
# IFRU from the end of the training, and that with one thing changed: no spillover, scopes from the endpoints to two hops,
# curvature, filter, solver; ten requests.
ABLATIONS = (
    "ifru-end,ifru-direct,ifru-endpoints,ifru-fifth-hop,ifru-half-hop,ifru-1-hop,ifru-2-half-hops,"
    "ifru-gauss-newton,ifru-absolute,ifru-cg,ifru-no-metric,ifru-stream"
)
REQUESTS = {NOISE: f"ifru,{RIVALS},{ABLATIONS}", "user:0.01": "ifru", "user:0.05": "ifru"}
CELLS = [Cell(data, *model, forget, methods) for data in DATA for model in MODELS for forget, methods in REQUESTS.items()]
