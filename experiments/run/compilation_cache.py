"""JAX's persistent compilation cache, for runs that compile the same functions again and again.

Not for comparisons: they report what the first call costs, compilation included.
"""

from pathlib import Path

import jax

FOLDER = Path("out/compiled")


def use_compilation_cache(folder: Path = FOLDER) -> None:
    """Keeps compiled functions in a folder, across processes."""
    folder.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(folder.resolve()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
