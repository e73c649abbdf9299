"""A share of the interactions: whose they are, what of it is counted over all, and what is refused."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest

from ifru_jax import DataError, Interactions, Split, balanced, random_split
from ifru_jax.data import k_core, leave_last_out, parse_forget, sample_negatives, temporal_split
from ifru_jax.data.share import Share
from ifru_jax.graph import build_training_set
from ifru_jax.meshes import of_all_devices, own_blocks

ALONE = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("rows",))
SHARE = Share(ALONE, 2, 4)
COLUMNS = np.array([3, 2, 3]), np.array([0, 1, 1]), np.array([1.0, 0.0, 1.0])


def mesh_of(*processes):
    """What a mesh says of the processes of its devices."""
    devices = np.array([SimpleNamespace(process_index=process) for process in processes])
    return SimpleNamespace(devices=devices, size=len(devices), is_multi_process=len(set(processes)) > 1)


@pytest.fixture
def part():
    return Interactions(*COLUMNS, 6, 3, timestamps=np.arange(3.0), share=SHARE)


def test_a_share_is_of_its_users(part):
    assert repr(part) == "Interactions(3 of 6 users with 3 items, the share of users 2 … 3)"
    assert repr(Interactions(*(column[:0].astype(int) for column in COLUMNS), 6, 3, share=Share(ALONE, 6, 6))).endswith("no users)")
    with pytest.raises(DataError, match=r"a share of users 0 … 2 has interactions of users 2 … 3"):
        Interactions(*COLUMNS, 6, 3, share=Share(ALONE, 0, 3))
    assert part.select(np.array([0])).share is SHARE
    assert part.without(np.array([0])).share is SHARE
    assert part.with_labels(np.zeros(3)).share is SHARE


def test_what_is_counted_is_added_up_over_the_processes(part, monkeypatch):
    monkeypatch.setattr("ifru_jax.data.share.sum_over_processes", lambda values, _: values + 10)
    assert part.total == 13
    assert part.user_degrees().tolist() == [10, 10, 11, 12, 10, 10]
    assert part.item_degrees().tolist() == [11, 12, 10]
    whole = Interactions(*COLUMNS, 6, 3)
    assert whole.total == 3
    assert whole.user_degrees().tolist() == [0, 0, 1, 2, 0, 0]


@pytest.mark.parametrize(
    "use",
    [
        lambda part: random_split(part),
        lambda part: temporal_split(part),
        lambda part: leave_last_out(part),
        lambda part: balanced(part, 2),
        lambda part: k_core(part, 1),
        lambda part: part.aligned(part),
        lambda part: sample_negatives(Split(part.with_labels(np.ones(3)), None, None)),
        lambda part: build_training_set(part),
        *(
            lambda part, spec=spec: parse_forget(spec)(part)
            for spec in ("noise:0.5", "correct:0.5", "interaction:0.5", "user:0.5", "core:0.5", "edge:0.5", "item:0.5")
        ),
    ],
)
def test_what_needs_all_interactions_is_refused(part, use):
    with pytest.raises(DataError, match=r"needs all interactions in one process, and this one has the share of users 2 … 3: save"):
        use(part)


def test_pairs_go_with_the_share(part):
    pairs = Interactions(np.array([0, 2, 3, 4]), np.array([2, 2, 2, 2]), np.ones(4), 6, 3)
    own = pairs.shared_as(part)
    assert own.users.tolist() == [2, 3]
    assert own.share is SHARE
    assert own.shared_as(part) is own
    assert pairs.shared_as(pairs) is pairs
    for other in (pairs, Interactions(*COLUMNS, 6, 3, share=Share(ALONE, 2, 5))):
        with pytest.raises(DataError, match="are not of the same users"):
            own.shared_as(other)


def test_the_share_of_a_process_is_the_users_of_its_devices(monkeypatch):
    monkeypatch.setattr("ifru_jax.data.share.in_one_axis", lambda mesh: mesh)
    assert Share.of(None, 9) is None
    assert Share.of(mesh_of(0, 0), 9) is None
    found = []
    for process in range(3):
        monkeypatch.setattr(jax, "process_index", lambda process=process: process)
        share = Share.of(mesh_of(1, 1, 0, 0, 2, 2), 9)
        found.append((share.first, share.last))
    # Blocks of two: the last device of process 2 has none, and its first one user.
    assert found == [(4, 8), (0, 4), (8, 9)]
    with pytest.raises(DataError, match=r"of the processes \[2, 1, 2\]: for shares give one in which"):
        Share.of(mesh_of(2, 1, 2), 9)


def test_what_devices_have_stands_in_the_order_of_the_mesh(monkeypatch):
    mesh = mesh_of(1, 0, 1)
    assert own_blocks(mesh, 1).tolist() == [0, 2]
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(
        "ifru_jax.meshes._of_all_processes", lambda sent, _: np.stack([np.array([[7, 7], [0, 0]]), np.array([[5, 5], [6, 6]])])
    )
    assert of_all_devices(np.array([[7, 7]]), mesh).tolist() == [[5, 5], [7, 7], [6, 6]]
