"""A share of the interactions: all those of some users, on the host of the process whose devices have the rows of these users.

No process has the interactions of another. What depends on all of them is counted by all processes together, each in its share:
every process asks the same at the same time, as with everything that is over the devices of a mesh.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from jax.sharding import Mesh

from ifru_jax.errors import DataError
from ifru_jax.meshes import blocks, in_all_processes, in_one_axis, own_blocks, sum_over_processes


@dataclass(frozen=True, eq=False)
class Share:
    """Whose interactions a process has.

    Attributes:
      mesh: the devices of all processes, in one axis.
      first, last: rows first … last − 1 of the user table.
    """

    mesh: Mesh
    first: int
    last: int

    @classmethod
    def of(cls, mesh: Mesh | None, num_users: int) -> Self | None:
        """That of this process over the devices of a mesh; None where a single process has them, and so all interactions.

        Raises:
          DataError: devices of a process that don't stand next to each other.
        """
        if mesh is None or not mesh.is_multi_process:
            return None
        mesh = in_one_axis(mesh)
        own, size = own_blocks(mesh), blocks(num_users, mesh)
        if not len(own) or own[-1] - own[0] != len(own) - 1:
            owners = [device.process_index for device in mesh.devices.flat]
            raise DataError(
                f"the devices of the mesh are of the processes {owners}: for shares give one in which those of each process stand "
                "next to each other, such as jax.make_mesh makes of all devices."
            )
        first, last = (min(int(block) * size, num_users) for block in (own[0], own[-1] + 1))
        return cls(mesh, first, last)

    def has(self, users: np.ndarray) -> np.ndarray:
        """bool [n]: which of these rows of the user table (int [n]) are of the share."""
        return (users >= self.first) & (users < self.last)

    def check_users(self, users: np.ndarray) -> None:
        """Refuses interactions of others (DataError); `users` are their rows, int [n]."""
        # Whom it has is not asked of each: the columns may be larger than the memory.
        if len(users) and not self.first <= users.min() <= users.max() < self.last:
            raise DataError(f"a share of {self} has interactions of users {users.min()} … {users.max()}.")

    def same_as(self, other: "Share") -> bool:
        """Whether the other one is of the same users over the same devices."""
        return (self.mesh, self.first, self.last) == (other.mesh, other.first, other.last)

    def added_up(self, values: np.ndarray) -> np.ndarray:
        """Σ of what each process counted, of one shape."""
        return sum_over_processes(values, self.mesh)

    def together(self) -> AbstractContextManager[None]:
        """What fails in one process fails in all; see `meshes.in_all_processes`."""
        return in_all_processes(self.mesh)

    def __str__(self) -> str:
        return f"users {self.first:,} … {self.last - 1:,}" if self.last > self.first else "no users"


class Shared(Protocol):
    """What may be a share, such as `Interactions`."""

    @property
    def share(self) -> Share | None: ...


def check_whole(data: Shared, what: str) -> None:
    """Refuses a share for what needs the interactions of all users in one place.

    Raises:
      DataError: a share.
    """
    if data.share is not None:
        raise DataError(
            f"{what} needs all interactions in one process, and this one has the share of {data.share}: save the model with "
            "sharded=True and load it in a single process, or read the data with read_interactions."
        )
