"""Whether an arm that others can move too is still where teleoperation left it, and how it is taken over."""

from collections import deque

import numpy as np

from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.tracking import Tracking
from spirl_ros.control.trajectory_knots import arrival_s

_STILL_S, _STILL = 0.2, 0.005
"""A joint stands that stayed within so much [rad, m] for so long [s]."""
_SETTLED_S = 0.5
"""After a command to rest so long passes before the arm counts as being there [s]."""
_NOTICEABLE = 0.0015
"""A joint that is no further from where it came to rest was not moved [rad, m]."""
_LEAP, _LEAP_RATE = 0.02, 0.3
"""How much further than it was sent a joint may be measured from one state to the next [rad, m], and so much per
second."""
_SLOWS = 0.8
"""From period to period, share that is left of the speed that a joint was sent with: its servo lags behind."""
_UNKNOWN = 0.2
"""How far from the measured place the set-point of a controller may be that somebody else commanded [rad, m]."""


class ArmWatch:
    """Follows what an arm is sent and what is measured of it. Not thread-safe.

    A topic of joint states does not say where the arm's controller has its set-point. After somebody else moved the arm
    it
    is at the measured place; when only the measurement moved, it is not. So what is wrong by more than servos are is a
    fault, and taking over gives the arm the time that it needs from either place.
    """

    def __init__(self, limits: JointLimits, period_s: float, tolerance: float) -> None:
        """Prepare; `take_over` begins.

        Args:
            limits: of the arm.
            period_s: time between two commands [s].
            tolerance: between a joint and its way [rad, m].
        """
        self._limits, self._period_s = limits, period_s
        self._tracking = Tracking(limits, period_s, tolerance, has_braking_tail=False)
        # A way that the controller makes up for within a period, at its acceleration limit.
        self._noticeable = np.maximum(limits.acceleration * period_s**2 / 6.0, _NOTICEABLE)
        self._measured: deque[tuple[float, np.ndarray]] = deque()
        self._measured_ns = 0
        self._leap = ""
        self._speed = np.zeros(len(limits.joint_names))
        self._sent: np.ndarray | None = None
        self._rests_since_s = np.inf
        self._rest: np.ndarray | None = None

    def measure(self, joint_positions: np.ndarray, measured_ns: int, now_s: float) -> None:
        """Take in a joint state (Da,) [rad, m] with its stamp [ns], received now [s]."""
        if self._measured:
            before_s, before = self._measured[-1]
            # States of a link that was held up arrive at once.
            passed_s = max(now_s - before_s, (measured_ns - self._measured_ns) * 1e-9)
            moved = np.abs(joint_positions - before)
            possible = np.minimum(2.0 * self._speed + _LEAP_RATE, self._limits.velocity) * passed_s + _LEAP
            worst = int(np.argmax(moved - possible))
            if moved[worst] > possible[worst]:
                self._leap = (
                    f"{self._limits.joint_names[worst]} was measured {moved[worst]:.2f} from where it was "
                    f"{passed_s:.3f} s before, expected at most {possible[worst]:.2f}: one of the two states is "
                    "wrong, or something moves it"
                )
        self._measured.append((now_s, joint_positions.copy()))
        self._measured_ns = measured_ns
        while len(self._measured) > 1 and self._measured[1][0] <= now_s - _STILL_S:
            self._measured.popleft()

    def forget_measured(self) -> None:
        """What comes next is looked at as the first; for who did not look for a while."""
        self._measured.clear()

    @property
    def stands(self) -> bool:
        """Whether the arm has stood still for a moment."""
        if not self._measured or self._measured[-1][0] - self._measured[0][0] < _STILL_S:
            return False
        return bool(np.ptp([positions for _, positions in self._measured], axis=0).max() < _STILL)

    @property
    def fault(self) -> str:
        """Why the arm must not be moved from where it was sent last, or nothing."""
        return self._leap or self.displacement

    @property
    def displacement(self) -> str:
        """Why the arm is not measured where it was sent last, or nothing; a leap that is over does not count."""
        if self._sent is None or not self._measured:
            return ""
        now_s, joint_positions = self._measured[-1]
        return self._tracking.fault(joint_positions, now_s)

    def take_over(self, joint_positions: np.ndarray, now_s: float) -> float:
        """The arm is taken over where it is measured, (Da,), and stands.

        Returns:
            How long its way there may take [s]: the controller's set-point may be as far as nobody knows.
        """
        last = joint_positions if self._sent is None else self._sent
        within_s = self._within_s(np.maximum(np.abs(joint_positions - last), _UNKNOWN))
        self._begin(joint_positions, now_s)
        return within_s

    def send(self, joint_positions: np.ndarray, now_s: float) -> None:
        """The arm was sent to (Da,), or is left there; once in each period."""
        self._tracking.sent(joint_positions, np.zeros_like(joint_positions), now_s)
        if self._sent is not None:
            sent_speed = np.abs(joint_positions - self._sent) / self._period_s
            self._speed = np.maximum(self._speed * _SLOWS, sent_speed)
        if self._sent is None or (joint_positions != self._sent).any():
            self._sent, self._rests_since_s, self._rest = joint_positions.copy(), now_s, None
        elif self._rest is None and now_s >= self._rests_since_s + _SETTLED_S and self.stands:
            self._rest = self._measured[-1][1]

    @property
    def was_moved(self) -> bool:
        """Whether the arm, which stood where it was sent, is elsewhere now."""
        return self._rest is not None and bool((np.abs(self._measured[-1][1] - self._rest) > self._noticeable).any())

    def follow(self, now_s: float) -> tuple[np.ndarray, float]:
        """Take the arm over, after it was moved, as far from where it was sent as it was moved; gravity's sag stays.

        Returns:
            Where that is (Da,), and how long the way there may take [s], from there or from where the arm was sent.
        """
        assert self._rest is not None and self._sent is not None
        moved = self._measured[-1][1] - self._rest
        place, within_s = self._sent + moved, self._within_s(np.abs(moved) + self._noticeable)
        self._begin(place, now_s)
        return place, within_s

    def _begin(self, joint_positions: np.ndarray, now_s: float) -> None:
        self._tracking.begin(joint_positions, now_s)
        self._leap, self._speed = "", np.zeros_like(self._speed)
        self._sent, self._rests_since_s, self._rest = joint_positions.copy(), now_s, None

    def _within_s(self, distance: np.ndarray) -> float:
        """Time [s] in which the controller goes so far (Da,), at most from end to end of its range."""
        limits = self._limits
        distance = np.minimum(distance, limits.position_upper - limits.position_lower)
        return max(arrival_s(distance, limits), self._period_s)
