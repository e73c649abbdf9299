"""From files to what a recommender is trained on and what it is to forget.

The steps, in their order: read (`readers`, `datasets`) → filter (`filters`), label (`labels`) → split (`splits`,
`negatives`) → choose what to forget (`forget`, `forget_sets`). Everything is NumPy on the host; `Interactions` is what
passes between them.

>>> split = protocol_split(load_dataset("movielens-small"))
>>> train, request = parse_forget("user:0.01")(split.train)
>>> request
ForgetRequest(0 interactions, 7 users, 0 items)
>>> retained = request.applied(train)
"""

from ifru_jax.data.datasets import Dataset, load_dataset, protocol_split
from ifru_jax.data.filters import Dropped, drop_duplicates, k_core
from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.forget_sets import label_noise, parse_forget, random_interactions, read_request
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.labels import binarize
from ifru_jax.data.large.sharing import stream_split
from ifru_jax.data.large.streaming import stream_interactions
from ifru_jax.data.negatives import sample_negatives
from ifru_jax.data.notes import DuplicateWarning
from ifru_jax.data.numbering import balanced
from ifru_jax.data.readers import from_frame, read_interactions
from ifru_jax.data.splits import Split, given_split, leave_last_out, random_split, temporal_split

__all__ = [
    "Dataset",
    "Dropped",
    "DuplicateWarning",
    "ForgetRequest",
    "Interactions",
    "Split",
    "balanced",
    "binarize",
    "drop_duplicates",
    "from_frame",
    "given_split",
    "k_core",
    "label_noise",
    "leave_last_out",
    "load_dataset",
    "parse_forget",
    "protocol_split",
    "random_interactions",
    "random_split",
    "read_interactions",
    "read_request",
    "sample_negatives",
    "stream_interactions",
    "stream_split",
    "temporal_split",
]
