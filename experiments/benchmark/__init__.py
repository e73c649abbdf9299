"""The speed figures, each against its baseline in the same run: `python -m experiments.benchmark`."""
