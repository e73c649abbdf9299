"""A folder that holds a model with its data and its history, where erasure requests are answered, undone for a while, and recorded.

Its files, each using those before it:

    lock, database, models, states  one writer; SQLite for what is small, files beside it for models of either kind
    journal, key, record            lines that are only added, tags of ids under the operator's key, the check of both
    budget                          the error that is allowed, and what of it is spent
    commit, migration               from one state to the next, all or nothing; from an older format to this one
    requests, resolve, lines        what is asked, what of it is there, and what is said of it
    creation                        how a store comes to be
    preview, verifying              before a step and after it
    opened                          a store that is open: who may write, and the state that counts
    settling, answering, compaction what is done with it
    page                            what was asked and what came of it, for people
    desk                            `Store`, which puts it together
    contents, residues              who is still in which files
"""

from ifru_jax.store.answers import Answer, Preview
from ifru_jax.store.budget import ErrorBudget, Spent
from ifru_jax.store.desk import Store
from ifru_jax.store.key import make_key
from ifru_jax.store.lock import StoreBusy
from ifru_jax.store.record import Verdict, verify_record
from ifru_jax.store.requests import Asked
from ifru_jax.store.residues import scan

__all__ = [
    "Answer",
    "Asked",
    "ErrorBudget",
    "Preview",
    "Spent",
    "Store",
    "StoreBusy",
    "Verdict",
    "make_key",
    "scan",
    "verify_record",
]
