"""A cell of the suite: one comparison, and the folder its records are committed in."""

from dataclasses import dataclass
from pathlib import Path

from experiments import RESULTS
from experiments.run.hyperparameters import model_label
from experiments.run.models import LAYERED, ModelName, ObjectiveName

# The models of the IFRU paper, with their layers, and the data on which every method was run.
MODELS: tuple[tuple[ModelName, int], ...] = (("mf", 0), ("lightgcn", 1))
DATA = ("ml-100k", "bookcrossing", "amazon")
NOISE = "noise:0.02"
# Rivals that take seconds.
QUICK_RIVALS = "gif-damped,gradient,scif,finetune,finetune-10x"


@dataclass(frozen=True)
class Cell:
    """One comparison: options of `experiments.compare`; `part` tells apart those that share them all but the methods."""

    data: str
    model: ModelName
    layers: int
    forget: str
    methods: str
    objective: ObjectiveName = "bce"
    part: str = ""

    @property
    def name(self) -> str:
        """DATA_MODEL_FORGET, the name of its folder."""
        return self.whole + (f"_{self.part}" if self.part else "")

    @property
    def whole(self) -> str:
        """The name of the comparison that this is a part of, or itself."""
        label = model_label(self.model, self.layers if self.model in LAYERED else 0)
        loss = "" if self.objective == "bce" else f"_{self.objective}"
        return f"{self.data}_{label}{loss}_{self.forget.replace(':', '-')}"

    @property
    def records(self) -> Path:
        """Its results.jsonl."""
        return RESULTS / self.name / "results.jsonl"
