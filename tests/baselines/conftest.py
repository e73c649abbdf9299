"""The recommender that unlearning is tested on."""

from tests.unlearning.conftest import compilations, split, trained  # noqa: F401
