"""`python -m ifru_jax`, which is the command `ifru`."""

import sys

from ifru_jax.data.extras import needed
from ifru_jax.errors import DataError


def main() -> None:
    """Runs the command and ends the process with its status."""
    try:
        needed("tyro", "the command ifru needs tyro", extra="cli")
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    from ifru_jax.command import run

    sys.exit(run())


if __name__ == "__main__":
    main()
