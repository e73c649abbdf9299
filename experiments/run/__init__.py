"""What one comparison is and does.

setup            data, split, forget set, model, objective
models           models by name
hyperparameters  what they are trained with
methods          ways to forget by name
baselines        originals and retrained models, kept by `model_store`
trials           one method on all seeds
yardsticks       what models are measured against
comparison       all of it, as records
verdicts         what `ifru_jax.verify` says of the first seed
command_line     how a command speaks and ends
"""
