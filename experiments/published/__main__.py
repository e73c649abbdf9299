"""Do the models recommend? Trains them by the protocol of published benchmarks, beside whose figures the results stand.

    IFRU_JAX_DATA=DIR python -m experiments.published                  # what is missing, one seed
    IFRU_JAX_DATA=DIR python -m experiments.published --only lightgcn --seeds 3

Training follows the objectives of the library, with three liberties that unlearning doesn't have. Negatives and noise are drawn
anew for every step, so they define no objective that could be unlearned. The softmax over all items takes batches of users, with
all their positives, instead of batches of interactions: the same sum, and one row of scores serves a hundred positives. And
training stops by NDCG@10 on valid, which is the figure that is reported, instead of AUC. `mf+bpr-fixed` takes none of them: it is
`ifru_jax.training.train` on negatives that are drawn once.

All with one seed take about half an hour. Each training is a line of experiments/results/published.jsonl and is not run again,
unless time cut it off and now there is more (`--max-seconds`); of several settings the one with the best NDCG@10 on valid counts,
and test chooses nothing. `python -m experiments.tables` fills docs/published.md from it.
"""

from experiments.published.contestants import CONTESTANTS
from experiments.published.runs import train_missing
from experiments.run.command_line import command
from ifru_jax.compiled import keep_compiled
from ifru_jax.errors import DataError


def published(only: str = "", seeds: int = 1, max_seconds: float = 150.0, data: str = "ml-1m") -> None:
    """Trains what is missing.

    Args:
      only: the entry of this name, or all whose name contains it.
      seeds: trainings of each entry; seeds after the first take the setting that is best by valid.
      max_seconds: of processor time for one training.
      data: name or path; its ratings are 1 … 5.
    """
    named = [one for one in CONTESTANTS if one.name == only] or [one for one in CONTESTANTS if only in one.name]
    if not named:
        raise DataError(f"no entry has {only!r} in its name: choose among {', '.join(one.name for one in CONTESTANTS)}.")
    if seeds < 1 or not max_seconds > 0:
        raise DataError(f"seeds is {seeds} and max_seconds {max_seconds:g}: both must be positive.")
    keep_compiled()
    train_missing(data, named, seeds=seeds, max_seconds=max_seconds)


if __name__ == "__main__":
    command(published, __doc__)
