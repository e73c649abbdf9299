"""Fixtures and settings for all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Shared machines stall now and then; a slow example is no failure.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with the data sets that can't be in the repository; tests that need it are skipped without it."""
    folders = [os.environ.get("IFRU_JAX_DATA"), Path(__file__).parents[2] / "shared" / "data"]
    for folder in folders:
        if folder and Path(folder).is_dir():
            return Path(folder)
    pytest.skip("needs the data sets: set IFRU_JAX_DATA to their folder")
