"""A training on data of which its loss has nothing to learn is refused; a request that leaves such data is answered."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from ifru_jax import DataError, ForgetRequest, Interactions, TrainConfig, Trained, bce, bpr, fit, mf, retrain, unlearn
from ifru_jax.baselines import SISA, Retrain
from ifru_jax.data import Split
from ifru_jax.data.share import Share
from ifru_jax.training import WMSE, FullSoftmax, Squares, softmax, wmse
from ifru_jax.training.all_pairs import AllPairs
from ifru_jax.training.decay import WithDecay
from ifru_jax.training.losses import check_learnable

KEY, MODEL, CONFIG = jax.random.key(0), mf(embedding_size=2), TrainConfig(epochs=1)
NO_POSITIVE = r"of the 12 interactions to train on, which all have the label {}: give positives as well, or choose a lower"
ALL_ONE = r"of the 12 interactions to train on, which all have the label 1: sample negatives \(sample_negatives\), choose a higher"
NO_ZERO = r"of the 12 interactions to train on, of which none has the label 0, .*: sample negatives \(sample_negatives\)"
NO_PAIR = r"of the 12 interactions to train on, of which no group has a positive and a negative: keep the positives only"
BAD = [
    (bce, 1, ALL_ONE),
    (bce, 0, NO_POSITIVE.format(0)),
    (WithDecay(bce, 0.1), 1, ALL_ONE),
    (wmse, 1, NO_ZERO),
    (WMSE(2), [1, 5] * 6, NO_ZERO),
    (wmse, 0, NO_POSITIVE.format(0)),
    (bpr, 1, NO_PAIR),
    (bpr, 0, NO_PAIR),
    (bpr, [0] * 6 + [1] * 6, NO_PAIR),
    (softmax, 1, NO_PAIR),
    (FullSoftmax(), 0, NO_POSITIVE.format("up to ½")),
]
SOUND = [
    (bce, [0, 1] * 6),
    (bce, 0.3),
    (bce, [0.2, 0.4] * 6),
    (wmse, [0, 3] * 6),
    (bpr, [0] * 5 + [1] * 7),
    (softmax, [1, 0] * 6),
    (FullSoftmax(), 1),
    (FullSoftmax(), [1] + [0] * 11),
    (AllPairs(), 1),
    (Squares(), 4),
    (Squares(), 0),
    (lambda logits, labels: (labels - logits) ** 2, 1),
]


def labelled(labels):
    """Twelve interactions of four users, two to a group."""
    places = np.arange(12)
    return Interactions(places // 3, places % 5, np.ones(12), 4, 5, groups=places // 2).with_labels(np.full(12, labels, float))


def all_of(data):
    return Split(data, None, None)


@pytest.mark.parametrize(("loss", "labels", "message"), BAD)
def test_what_a_loss_has_nothing_to_learn_of_is_refused(loss, labels, message):
    with pytest.raises(DataError, match=message):
        fit(KEY, MODEL, all_of(labelled(labels)), config=CONFIG, loss=loss, progress=False)


@pytest.mark.filterwarnings("ignore::ifru_jax.DataWarning")
@pytest.mark.parametrize(("loss", "labels"), SOUND)
def test_what_a_loss_can_learn_of_is_not(loss, labels):
    fit(KEY, MODEL, all_of(labelled(labels)), config=CONFIG, loss=loss, progress=False)


@pytest.mark.filterwarnings("ignore::ifru_jax.DataWarning")
def test_labels_on_another_scale_are_named_as_such():
    """And not as labels of one kind."""
    with pytest.raises(DataError, match="labels go from 5 to 5, but cross-entropy needs 0 … 1"):
        fit(KEY, MODEL, all_of(labelled(5)), config=CONFIG, progress=False)
    with pytest.raises(DataError, match="no interaction to train on"):
        fit(KEY, MODEL, all_of(labelled(1).select(np.zeros(0, int))), config=CONFIG, progress=False)


@pytest.mark.parametrize("method", [Retrain(MODEL, CONFIG), SISA(MODEL, CONFIG, num_shards=2)])
def test_methods_refuse_it_too(method):
    valid = labelled([0, 1] * 6)
    with pytest.raises(DataError, match=ALL_ONE):
        method.fit(KEY, Split(labelled(1), valid, valid))


@pytest.mark.filterwarnings("ignore::ifru_jax.DataWarning")
def test_a_request_that_leaves_one_kind_is_answered():
    data = labelled([0] * 3 + [1] * 9)
    trained, request = fit(KEY, MODEL, all_of(data), config=CONFIG, progress=False), ForgetRequest(users=np.array([0]))
    unlearned, _ = unlearn(trained, request)
    (again,) = retrain(jax.random.key(1), trained, request)
    state, _ = Retrain(MODEL, CONFIG).forget(Retrain(MODEL, CONFIG).fit(KEY, all_of(data)), request)
    for model in (unlearned, again, state.trained):
        assert isinstance(model, Trained)
        assert set(model.interactions.labels.tolist()) == {1}


def test_all_processes_count(monkeypatch):
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("rows",))
    part = replace(labelled(1), share=Share(mesh, 0, 4))
    for others, lacking in (([5, 5, 3], False), ([5, 5, 0], True)):
        monkeypatch.setattr("ifru_jax.data.share.sum_over_processes", lambda values, _, others=others: values + others)
        if lacking:
            with pytest.raises(DataError, match="of the 17 interactions to train on, which all have the label 1"):
                check_learnable(bce, part)
        else:
            check_learnable(bce, part)
