"""A trained model as one file, or as a folder that every process writes its part of; no pickle in either."""

from ifru_jax.checkpoint.saving import load, save

__all__ = ["load", "save"]
