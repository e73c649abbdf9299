"""JSON files: whole, and without NaN."""

import json
import os

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.reporting.json_files import as_json, write_json_atomic

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(anything)
def test_json_survives_a_round_trip_and_has_no_nan(value):
    clean = as_json(value)
    assert json.loads(json.dumps(clean, allow_nan=False)) == clean
    assert as_json(clean) == clean


def test_numbers_of_numpy_and_jax_become_plain_ones(tmp_path):
    value = {1: np.float32(0.5), "b": jnp.float32(np.nan), "c": np.array([1.0, np.inf]), "d": np.bool_(True), "e": (1,)}
    assert as_json(value) == {"1": 0.5, "b": None, "c": [1.0, None], "d": True, "e": [1]}
    assert as_json(tmp_path) == str(tmp_path)
    with pytest.raises(TypeError, match="object"):
        as_json({"a": [object()]})


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "summary.json"
    write_json_atomic(path, {"a": float("nan")})
    write_json_atomic(path, {"b": [1, "ü"]})
    assert json.loads(path.read_text(encoding="utf-8")) == {"b": [1, "ü"]}
    assert os.listdir(tmp_path) == ["summary.json"]


def test_what_is_no_json_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(TypeError):
        write_json_atomic(tmp_path / "summary.json", {"a": object()})
    assert os.listdir(tmp_path) == []
