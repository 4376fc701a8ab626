"""What the time is by an arm's clock, from the stamps of its joint states."""

import math
from collections import deque

_RECENT = 40
"""States that the estimate is of."""
_FRESH_S = 0.03
"""After so long without a state something is held up, and commands may be too [s]."""
_NS = 1e9


class ArmClock:
    """The clock that stamps an arm's joint states, which is the one its controller begins stamped trajectories by.

    A state arrives a little after it was stamped. The least of that among recent ones is nearly the same all the time, and
    is counted as a difference of the clocks: this clock is behind the arm's by as much. So the two may be those of two
    computers.
    """

    def __init__(self, largest_difference_s: float) -> None:
        """Nothing was heard yet.

        Args:
            largest_difference_s: from this computer's clock; beyond that stamps mean something else [s].
        """
        self._largest_ns = largest_difference_s * _NS
        self._offsets_ns: deque[int] = deque(maxlen=_RECENT)
        self._stamp_ns, self._received_s = -1, -math.inf

    def hear(self, stamp_ns: int, received_s: float, ros_ns: int, now_s: float) -> None:
        """A joint state was stamped [ns] and received [s, steady clock]; the ROS clock shows this at that steady time."""
        if stamp_ns == self._stamp_ns:
            return
        self._stamp_ns, self._received_s = stamp_ns, received_s
        received_ns = round(received_s * _NS)
        if abs(stamp_ns - ros_ns + round((now_s - received_s) * _NS)) > self._largest_ns:
            self._offsets_ns.clear()
        else:
            self._offsets_ns.append(stamp_ns - received_ns)

    def ns(self, steady_s: float) -> int | None:
        """The arm's time at a time of the steady clock [ns], which is about now; None when it is not known.

        Nor is it known while states stay away: a command with a time that arrives much too late makes the arm leap to where
        it would be by then.
        """
        if not self._offsets_ns or steady_s - self._received_s > _FRESH_S:
            return None
        return max(self._offsets_ns) + round(steady_s * _NS)
