"""Single faults, and the tests that have to catch each; `python tests/mutations` plants them. A file per part of the method."""

from .confined import CONFINED
from .estimated import ESTIMATED
from .explaining import EXPLAINING
from .fault import Fault, planted
from .following import FOLLOWING
from .from_elsewhere import FROM_ELSEWHERE
from .from_the_end import FROM_THE_END
from .going_on import GOING_ON
from .held_out import HELD_OUT
from .over_devices import OVER_DEVICES
from .preconditioner import PRECONDITIONER
from .recording import RECORDING
from .settling import SETTLING
from .yardsticks import YARDSTICKS

__all__ = ["FAULTS", "Fault", "planted"]

FAULTS = (
    *ESTIMATED,
    *FROM_ELSEWHERE,
    *FROM_THE_END,
    *OVER_DEVICES,
    *CONFINED,
    *FOLLOWING,
    *PRECONDITIONER,
    *GOING_ON,
    *HELD_OUT,
    *RECORDING,
    *SETTLING,
    *YARDSTICKS,
    *EXPLAINING,
)
