"""Questions of their own, each a command: `python -m experiments.studies.damping`."""
