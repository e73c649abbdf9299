"""Which hyper-parameters a comparison trains with."""

from experiments.run.hyperparameters import DEFAULTS, LARGE, hyper_parameters


def test_the_objective_may_have_defaults_of_its_own():
    own, general = (hyper_parameters("nobody's", "neumf", 0, objective=objective).best.train for objective in ("bpr", "bce"))
    assert own.reg == DEFAULTS["neumf+bpr"]["reg"] != general.reg == DEFAULTS["neumf"]["reg"]


def test_data_nobody_tuned_has_no_baselines_of_speed():
    found = hyper_parameters("nobody's", "mf", 0, objective="bpr")
    assert (found.tuned, found.protocol, found.fastest) == (False, None, None)
    assert hyper_parameters("ml-100k", "mf", 0).tuned


def test_large_data_is_trained_on_in_large_batches():
    small, large = (hyper_parameters("nobody's", "mf", 0, interactions=count).best for count in (LARGE, LARGE + 1))
    assert large.train.batch_size == 16_384
    assert large.train.learning_rate == small.train.learning_rate * (16_384 / small.train.batch_size) ** 0.5
    assert large.init_std == small.init_std
    already = [hyper_parameters("nobody's", "multvae", 0, objective="full-softmax", interactions=count) for count in (0, LARGE + 1)]
    assert already[0] == already[1]
    assert hyper_parameters("ml-1m", "mf", 0, interactions=LARGE + 1) == hyper_parameters("ml-1m", "mf", 0)
