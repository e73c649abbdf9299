"""The main job in one command: a recommender forgets, beside one that was retrained.

    python -m experiments.quickstart --out out

Trains matrix factorisation on 100,004 real film ratings (MovieLens, embedded, no download), flips the labels of 2 % of the training
data as an attacker would, and then makes the model forget them: five seeds, original, retrained and IFRU side by side. Under two
minutes on two cores. Writes results.jsonl, summary.json, report.html, report.md and a figure into DIR.
"""

from pathlib import Path

from experiments.compare import Compare, compare
from experiments.run.command_line import command


def quickstart(out: Path = Path("out/quickstart"), seeds: int = 5) -> None:
    """Trains, forgets and compares with retraining, on embedded real data.

    Args:
      out: folder for the results; made if it isn't there.
      seeds: of initialisation and batch order.
    """
    compare(Compare("movielens-small", out, seeds=seeds))


if __name__ == "__main__":
    command(quickstart, __doc__)
