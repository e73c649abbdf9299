"""What `ifru_jax.verify` says of the first seed of every method of a comparison."""

from dataclasses import asdict, replace
from pathlib import Path

from experiments.reporting.json_files import read_json, write_json_atomic
from experiments.run.comparison import Outcome
from experiments.run.setup import Setup
from ifru_jax.errors import IfruError
from ifru_jax.evaluation import VerifyConfig, verify
from ifru_jax.training import Trained
from ifru_jax.unlearning import linearity


class Verdicts:
    """Collects a verdict per method, and a note for each that could not be verified, in a file that may be there from before."""

    def __init__(self, setup: Setup, path: Path) -> None:
        self._setup, self._path = setup, path
        known = read_json(path) if path.exists() else {}
        self.found: dict[str, dict] = known.get("found", {})
        self._failed: dict[str, str] = known.get("failed", {})

    @property
    def notes(self) -> list[str]:
        """Sentences for the report."""
        return [f"{name} was not verified: {why}" for name, why in self._failed.items()]

    def add(self, outcome: Outcome) -> None:
        if outcome.name in self.found or outcome.name in self._failed or outcome.seed:
            return
        before, after, setup = outcome.before, outcome.after, self._setup
        predicted = None
        if isinstance(before, Trained) and isinstance(after, Trained):
            predicted = asdict(linearity(before, after))
        try:
            config = VerifyConfig(loss=setup.loss)
            verified = verify(before, after, outcome.retrained, setup.split, setup.request, config=config)
        except IfruError as error:
            self._failed[outcome.name] = str(error)
        else:
            self.found[outcome.name] = replace(verified, linearity=predicted).as_dict()
        write_json_atomic(self._path, {"found": self.found, "failed": self._failed})
