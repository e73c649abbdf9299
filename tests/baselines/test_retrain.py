"""Retraining: the yardstick must not remember either."""

import jax
import numpy as np

from ifru_jax import ForgetRequest, mf
from ifru_jax.baselines import Retrain
from ifru_jax.baselines.retrain import surviving
from tests.unlearning.conftest import CONFIG


def test_it_trains_anew_on_what_is_left_and_names_nobody(split):
    method = Retrain(mf(embedding_size=6, init_std=0.1), CONFIG)
    state = method.fit(jax.random.key(0), split)
    after, report = method.forget(state, ForgetRequest(users=np.array([7])))
    assert report.forgotten == (split.train.users == 7).sum()
    assert not (after.trained.interactions.users == 7).any()
    assert "user-0007-secret" not in after.trained.interactions.user_ids
    assert not (after.valid.users == 7).any()
    assert np.abs(after.trained.params["user_embedding"] - state.trained.params["user_embedding"]).max() > 1e-3
    # L2 alone acts on the row of a forgotten user.
    assert np.linalg.norm(after.trained.params["user_embedding"][7]) < 0.5 * np.linalg.norm(
        state.trained.params["user_embedding"][7]
    )
    again, _ = method.forget(after, ForgetRequest(users=np.array([8])))
    assert len(again.trained.interactions) == len(split.train) - np.isin(split.train.users, [7, 8]).sum()


def test_validation_loses_those_who_lost_everything(split):
    retained = split.train.select(split.train.users != 3)
    kept = surviving(split.valid, retained)
    assert not (kept.users == 3).any()
    assert len(kept) == (split.valid.users != 3).sum()
