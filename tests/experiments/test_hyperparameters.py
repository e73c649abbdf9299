"""Which hyper-parameters a comparison trains with."""

from experiments.run.hyperparameters import DEFAULTS, hyper_parameters


def test_the_objective_may_have_defaults_of_its_own():
    own, general = (hyper_parameters("nobody's", "neumf", 0, objective=objective).best.train for objective in ("bpr", "bce"))
    assert own.reg == DEFAULTS["neumf+bpr"]["reg"] != general.reg == DEFAULTS["neumf"]["reg"]


def test_data_nobody_tuned_has_no_baselines_of_speed():
    found = hyper_parameters("nobody's", "mf", 0, objective="bpr")
    assert (found.tuned, found.protocol, found.fastest) == (False, None, None)
    assert hyper_parameters("ml-100k", "mf", 0).tuned
