"""Errors of ifru_jax. Each message names the value that is wrong and what to do about it."""

import math
import numbers
import operator
import reprlib
from typing import Any


class IfruError(ValueError):
    """Base of every error that ifru_jax raises on purpose."""


class DataError(IfruError):
    """Data, a file or a request that can't be used."""


class DataWarning(UserWarning):
    """Something in the data was decided for its owner, or looks wrong; the message says what, and how to decide otherwise."""


class NotApplicable(DataError):  # noqa: N818 — an answer rather than a failure
    """A method that has no meaning for this data, model or request; the message says why."""


class ModelError(IfruError):
    """A model, or parameters, that don't fit what they are used with."""


class NumericsError(IfruError):
    """A computation that produced NaN, did not converge, or has no answer."""


def check_whole(config: Any, *names: str) -> None:
    """Refuses a number of something that is no whole number; None is left alone.

    Raises:
      DataError: one of these fields holds anything else.
    """
    for name in names:
        value = getattr(config, name)
        try:
            operator.index(0 if value is None else value)
        except TypeError as error:
            raise DataError(f"{name} is {value!r}: give a whole number.") from error


def check_number(config: Any, *names: str) -> None:
    """Refuses what is no finite number.

    Raises:
      DataError: one of these fields holds anything else.
    """
    for name in names:
        value = getattr(config, name)
        if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
            raise DataError(f"{name} is {value!r}: give a finite number.")


def check_kind(name: str, value: Any, kind: type | tuple[type, ...], remedy: str) -> None:
    """Refuses an argument of another kind; `remedy` says what to give.

    Raises:
      DataError: the value is no instance of `kind`.
    """
    if not isinstance(value, kind):
        raise DataError(f"{name} is {reprlib.repr(value)}, a {type(value).__name__}: {remedy}.")
