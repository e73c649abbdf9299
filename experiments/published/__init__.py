"""Accuracies beside published ones: `python -m experiments.published`.

contestants   models with objectives, and the settings that are tried
protocol      data, split and figures
training      negatives and noise drawn anew
runs          what is missing, as records
"""
