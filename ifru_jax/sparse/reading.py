"""The precision that rows of tables are read in: as they are, or rounded to bfloat16, half the bytes of a gather.

Tables, sums, coefficients of edges and everything else stay as they are: what is rounded is every row that is gathered, of
parameters, of directions and of gradients alike, and products of them are added up in the precision of the table. To a derivative
rounding is the identity.

>>> import jax.numpy as jnp
>>> with read_in("bfloat16"):
...     print(as_read(jnp.array([1.0 + 2**-9])))
[1.]
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

import jax

from ifru_jax.errors import DataError

Reading = Literal["bfloat16"]
# Part of every jit cache's key.
_reading = jax.make_user_context(None)

_EXPONENT_BITS, _MANTISSA_BITS = 8, 7


@contextmanager
def read_in(dtype: Reading | None) -> Iterator[None]:
    """Within the block, the sparse operations and `as_read` read rows of tables in this precision, None as they are.

    Raises:
      DataError: another dtype.
    """
    if dtype not in (None, *get_args(Reading)):
        raise DataError(f"tables are to be read in {dtype!r}: choose 'bfloat16', or None for what they are in.")
    with _reading(dtype):
        yield


def reading() -> Reading | None:
    """What the block says that is being run or traced."""
    return _reading.value


def as_read(rows: jax.Array) -> jax.Array:
    """Rows that were gathered from a table, of any shape, rounded where the block says so; of the same dtype."""
    return rows if reading() is None else rounded(rows)


def rounded(values: jax.Array) -> jax.Array:
    """To the numbers of bfloat16, in the dtype they are in; XLA takes a cast there and back for none."""
    return jax.lax.reduce_precision(values, _EXPONENT_BITS, _MANTISSA_BITS)
