"""Everything that is measured: three commands at the top, and behind them the folders they are made of.

They need a checkout; what is installed is the package, with the command `ifru`.

quickstart, compare   one comparison: original, retrained and unlearned models
benchmark             the speed figures
tables                fills the tables of README and docs
run/                  what one comparison is and does
suite/                the committed comparisons
tuning/               the search for hyper-parameters
published/            accuracies by the protocol of published benchmarks
studies/              questions of their own: how much to damp, a stream of requests
scale/                how time and memory grow with the data
reliability/          kills of a process that writes to a store
reporting/            from records to files and pictures
pages/                from committed results to pages
configs/, results/    what was chosen, what came out
"""

from pathlib import Path

RESULTS = Path(__file__).parent / "results"
CONFIGS = Path(__file__).parent / "configs"
