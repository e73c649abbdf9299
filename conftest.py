"""For the tests of every folder, and for the examples in docstrings."""

import atexit
import os
import shutil
import tempfile

# Nothing is left in the user's folder.
os.environ["IFRU_JAX_CACHE"] = "off"
# What one module compiled the later ones, the other workers and the commands that tests start take from disk.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="ifru_jax-compiled-")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
