"""What `ifru_jax.verify` says of the first seed of every method of a comparison."""

from dataclasses import asdict, replace

from experiments.run.comparison import Outcome
from experiments.run.setup import Setup
from ifru_jax.errors import IfruError
from ifru_jax.evaluation import VerifyConfig, verify
from ifru_jax.training import Trained
from ifru_jax.unlearning import linearity


class Verdicts:
    """Collects a verdict per method, and a note for each that could not be verified."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self.found: dict[str, dict] = {}
        self.notes: list[str] = []

    def add(self, outcome: Outcome) -> None:
        if outcome.name in self.found or outcome.seed:
            return
        before, after, setup = outcome.before, outcome.after, self._setup
        predicted = None
        if isinstance(before, Trained) and isinstance(after, Trained):
            predicted = asdict(linearity(before, after))
        try:
            config = VerifyConfig(loss=setup.loss)
            verified = verify(before, after, outcome.retrained, setup.split, setup.request, config=config)
        except IfruError as error:
            self.notes.append(f"{outcome.name} was not verified: {error}")
        else:
            self.found[outcome.name] = replace(verified, linearity=predicted).as_dict()
