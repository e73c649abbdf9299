"""For the tests of every folder, and for the examples in docstrings."""

import os

# Nothing is left in the user's folder.
os.environ["IFRU_JAX_CACHE"] = "off"
