"""Errors of ifru_jax. Each message names the value that is wrong and what to do about it."""


class IfruError(ValueError):
    """Base of every error that ifru_jax raises on purpose."""


class DataError(IfruError):
    """Data, a file or a request that can't be used."""


class NotApplicable(DataError):  # noqa: N818 — an answer rather than a failure
    """A method that has no meaning for this data, model or request; the message says why."""


class ModelError(IfruError):
    """A model, or parameters, that don't fit what they are used with."""


class NumericsError(IfruError):
    """A computation that produced NaN, did not converge, or has no answer."""
