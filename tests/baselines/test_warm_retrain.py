"""Warm-started retraining: a head start, the same objective, no trace."""

import jax
import numpy as np

from ifru_jax import ForgetRequest, Status, mf
from ifru_jax.baselines import Retrain, WarmRetrain
from tests.unlearning.conftest import CONFIG


def test_it_trains_on_without_the_forgotten(split):
    method = WarmRetrain(mf(embedding_size=6, init_std=0.1), CONFIG)
    state = method.fit(jax.random.key(0), split)
    same, report = method.forget(state, ForgetRequest())
    assert same is state
    assert report.forgotten == 0
    after, report = method.forget(state, ForgetRequest(users=np.array([7])))
    assert report.forgotten == (split.train.users == 7).sum()
    assert report.status is Status.RETRAINED
    before = state.trained
    assert not (after.trained.interactions.users == 7).any()
    assert "user-0007-secret" not in after.trained.interactions.user_ids
    assert after.valid.user_ids is None
    assert not (after.valid.users == 7).any()
    # Without data a row starts at zero and has no gradient.
    assert not np.any(after.trained.params["user_embedding"][7])
    cold, _ = Retrain(method.model, CONFIG).forget(state, ForgetRequest(users=np.array([7])))

    def distance(a):
        return np.linalg.norm(np.delete(np.asarray(a.params["user_embedding"] - before.params["user_embedding"]), 7, 0))

    assert 0 < distance(after.trained) < distance(cold.trained)
    again, _ = method.forget(after, ForgetRequest(users=np.array([8])))
    assert len(again.trained.interactions) == len(split.train) - np.isin(split.train.users, [7, 8]).sum()
