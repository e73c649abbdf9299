"""Models that were trained elsewhere: take them in, make them forget, give them back.

>>> import pathlib, tempfile, jax, numpy as np, ifru_jax
>>> from ifru_jax.exact import ALS
>>> users, items = np.divmod(np.random.default_rng(0).choice(600, 200, replace=False), 20)
>>> data = ifru_jax.Interactions.from_arrays(users, items)
>>> nothing, folder = data.select(slice(0)), pathlib.Path(tempfile.mkdtemp())
>>> trained = ALS(embedding_size=4).fit(jax.random.key(0), ifru_jax.Split(data, nothing, nothing))
>>> _ = export(trained, folder / "als.npz", like="implicit")  # as `model.save` of implicit does
>>> model, source, evidence = from_implicit(folder / "als.npz", data)
>>> evidence.stationarity < 0.01
True
>>> unlearned, report = ifru_jax.unlearn(model, users=[3])
>>> export(unlearned, folder / "without-3.npz", like=source).name
'without-3.ids.json'

No reader runs code from a file. Formats that are pickles are not read at all: `snippet` prints what writes safetensors in the
environment of the source.
"""

from ifru_jax.interop.declared import Declared
from ifru_jax.interop.evidence import Evidence
from ifru_jax.interop.export import export
from ifru_jax.interop.implicit import ImplicitOptions, from_implicit
from ifru_jax.interop.lightgcn_pytorch import from_lightgcn_pytorch, read_lightgcn
from ifru_jax.interop.replay import Replay, replayed
from ifru_jax.interop.snippets import snippet
from ifru_jax.interop.source import Imported, Source
from ifru_jax.interop.tensors import from_tensors
from ifru_jax.interop.vectors import export_vectors

__all__ = [
    "Declared",
    "Evidence",
    "ImplicitOptions",
    "Imported",
    "Replay",
    "Source",
    "export",
    "export_vectors",
    "from_implicit",
    "from_lightgcn_pytorch",
    "from_tensors",
    "read_lightgcn",
    "replayed",
    "snippet",
]
