"""A process that was forked while JAX was running can't compute: the threads that would are not in it, and it would wait for ever.

So such a process gets an error instead (`check_not_forked`). Python's `multiprocessing` forks by default on Linux before 3.14.
"""

import os
import sys

from ifru_jax.errors import IfruError

# At the fork, and of this process: whether JAX was running.
_running, _forked = False, False


def check_not_forked() -> None:
    """Refuses to go on where JAX would wait for ever.

    Raises:
      IfruError: this process was forked while JAX was running in its parent.
    """
    if _forked:
        raise IfruError(
            "this process was forked after JAX had started, and JAX can't compute in it: start processes with "
            'multiprocessing.get_context("spawn"), or fork before anything is computed, and load the model in the new process.'
        )


def _before() -> None:
    global _running
    # JAX says it nowhere else; where this has gone, a fork is as it is without us.
    probe = getattr(sys.modules.get("jax._src.xla_bridge"), "backends_are_initialized", None)
    _running = probe is not None and probe()


def _in_child() -> None:
    global _forked
    _forked = _forked or _running


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_child=_in_child)
