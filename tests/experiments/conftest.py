"""A small file of ratings, as a user would bring it."""

from contextlib import nullcontext

import jax
import pytest

from tests.unlearning.conftest import tastes


@pytest.fixture(scope="session")
def ratings(tmp_path_factory):
    data = tastes()
    lines = ["user,item,rating"]
    lines += [
        f"{data.user_ids[u]},{data.item_ids[i]},{int(y)}" for u, i, y in zip(data.users, data.items, data.labels, strict=True)
    ]
    path = tmp_path_factory.mktemp("ratings") / "ratings.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def compiled_once(monkeypatch):
    """A comparison compiles anew for each of its methods, so that their times are with compilation; here nobody asks for them."""
    monkeypatch.setattr("experiments.compare.compiling_anew", nullcontext)
    monkeypatch.setattr(jax, "clear_caches", lambda: None)
