"""A folder that holds a model with its data and its history, where erasure requests are answered, undone for a while, and recorded.

lock, database, states      one writer; SQLite for what is small, files beside it for models
journal, key, record        lines that are only added, tags of ids under the operator's key, the check of both
commit                      from one state to the next, all or nothing
requests, resolve           what is asked, and what of it is there
preview, verifying, desk    before and after a step; `Store`, which puts it together
    contents, residues          who is still in which files
"""

from ifru_jax.store.answers import Answer, Preview
from ifru_jax.store.desk import Store
from ifru_jax.store.key import make_key
from ifru_jax.store.lock import StoreBusy
from ifru_jax.store.record import Verdict, verify_record
from ifru_jax.store.requests import Asked
from ifru_jax.store.residues import scan

__all__ = ["Answer", "Asked", "Preview", "Store", "StoreBusy", "Verdict", "make_key", "scan", "verify_record"]
