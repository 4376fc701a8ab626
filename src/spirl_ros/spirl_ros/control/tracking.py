"""Is an arm where it was sent: compares what is measured with what was commanded lately."""

from collections import deque

import numpy as np

from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.trajectory_knots import arrival_s

TRACKING_TOLERANCE = 0.04
"""How far a joint may be measured from where it can be after its last commands [rad, m]."""
MOVED_TOLERANCE = 0.02
"""Between motions: beyond this [rad, m] an arm was moved by somebody else and begins anew where it is measured."""

_SLOWEST_S = 0.25
"""The slowest arms follow after so long [s]: servo, transport, and the way of the measurement. The controller comes on
top, which is a command and a half behind."""
_LEAP = 0.02
"""Noise and rounding of two measurements in a row [rad, m]."""
_LEAP_SPEED = 1.5
"""A joint that others move, or that swings, may be faster than its limit by so many times."""
_SETTLED_S = 0.2
"""Measurements without a leap for so long count as true [s]."""
_SHORTEST_S = 0.001
"""Two measurements count as at least so far apart [s]: drivers send in bursts, and may stamp them all alike."""


class Tracking:
    """Keeps the commands of the last third of a second. A joint is on its way as long as it lies within their range.

    That holds for every lag up to this time, whatever the arm's controller does between two commands, and shows a
    measured offset that is no lag, an arm that is held fast, and one that somebody else moves, within one measurement.
    Not thread-safe.
    """

    def __init__(self, limits: JointLimits, period_s: float, tolerance: float, *, has_braking_tail: bool) -> None:
        """Nothing was sent.

        Args:
            limits: of the arm.
            period_s: time between two commands [s].
            tolerance: distance of a measured joint from the range of its last commands [rad, m].
            has_braking_tail: an arm without further commands goes on by its braking distance.
        """
        self._limits, self._tolerance, self._has_braking_tail = limits, tolerance, has_braking_tail
        self._window_s = _SLOWEST_S + 2.0 * period_s
        self._sent: deque[tuple[float, np.ndarray, np.ndarray, np.ndarray]] = deque()
        """Time, lowest and highest position that the arm may have by it, and velocity."""
        self._lower = self._upper = np.empty(0)
        self._slowest, self._fastest = -limits.velocity, limits.velocity
        self._measured: np.ndarray | None = None
        self._measured_s = self._measured_ns = 0.0
        self._doubted_s = np.inf

    def begin(self, joint_positions: np.ndarray, now_s: float) -> float:
        """The arm was taken over at rest, at these positions (Da,).

        Returns:
            How long its way there has to take [s]. Its controller may hold another set-point: one that is off by the
            tolerance, or the last one that was sent, if the arm was moved since, or is measured wrongly.
        """
        distances = np.maximum(self.deviations(joint_positions, now_s), self._tolerance)
        self._sent.clear()
        self.sent(joint_positions, np.zeros_like(joint_positions), now_s)
        return arrival_s(distances, self._limits)

    def sent(self, joint_positions: np.ndarray, joint_velocities: np.ndarray, now_s: float) -> None:
        """A command: positions (Da,) [rad, m] and the velocities (Da,) of the way there [rad/s, m/s]."""
        end = joint_positions
        if self._has_braking_tail:
            end = joint_positions + joint_velocities * np.abs(joint_velocities) / (2.0 * self._limits.acceleration)
        ends = np.minimum(joint_positions, end), np.maximum(joint_positions, end)
        self._sent.append((now_s, *ends, joint_velocities))
        self._forget_old(now_s)
        self._take_ranges()

    def deviations(self, joint_positions: np.ndarray, now_s: float) -> np.ndarray:
        """How far each measured joint (Da,) lies outside the range of its last commands [rad, m]; 0 within."""
        if not self._sent:
            return np.zeros_like(joint_positions)
        self._forget_old(now_s)
        return np.maximum(np.maximum(self._lower - joint_positions, joint_positions - self._upper), 0.0)

    def fault(self, joint_positions: np.ndarray, now_s: float) -> str:
        """Why the measured joints (Da,) cannot be those of an arm on its way to where it was sent, or nothing."""
        deviations = self.deviations(joint_positions, now_s)
        if not deviations.max() > self._tolerance:
            return ""
        worst = int(np.argmax(deviations))
        return (
            f"{self._limits.joint_names[worst]} is measured {deviations[worst]:.3f} from where it was sent, "
            f"expected at most {self._tolerance:.3f}: something holds the arm, moves it too, or measures it wrongly"
        )

    def doubt(self, now_s: float) -> None:
        """What is measured need not be true yet: look on for a while."""
        self._doubted_s = now_s

    def why_unsettled(self, now_s: float) -> str:
        """Why an arm must not be taken over where it is measured now, or nothing.

        A leap may be undone, and whether the first measurements or those after a release are true is not known. An arm
        that is sent to a false place goes there, whatever is measured later.
        """
        if now_s >= self._doubted_s + _SETTLED_S:
            return ""
        return f"the joint states have to go on without a leap for {_SETTLED_S:g} s"

    def leap(self, joint_positions: np.ndarray, now_s: float, stamp_ns: int) -> str:
        """Why no joint can have come from the last measurement to this one (Da,), or nothing.

        Args:
            joint_positions: measured now (Da,) [rad, m].
            now_s: when they arrived, on the steady clock [s].
            stamp_ns: when they were measured [ns].
        """
        before = self._measured if stamp_ns >= self._measured_ns else None
        since_s = max(now_s - self._measured_s, (stamp_ns - self._measured_ns) * 1e-9, _SHORTEST_S)
        self._measured, self._measured_s, self._measured_ns = joint_positions, now_s, stamp_ns
        if before is None:
            self.doubt(now_s)
            return ""
        moved, within_s = joint_positions - before, _LEAP_SPEED * since_s
        excess = np.maximum(moved - self._fastest * within_s, self._slowest * within_s - moved) - _LEAP
        if not excess.max() > 0.0:
            return ""
        self.doubt(now_s)
        worst = int(np.argmax(excess))
        name, way = self._limits.joint_names[worst], abs(moved[worst])
        if abs(way - 2.0 * np.pi) < 0.1 * np.pi:
            return (
                f"{name} leapt by {way:.2f} rad, a whole turn: its driver reports it within one turn. Say "
                "continuous: true for that joint in the robot's file"
            )
        return (
            f"{name} leapt by {way:.3f} in {since_s * 1e3:.0f} ms, which no joint can: is there a second publisher "
            "of joint states, or a faulty sensor"
        )

    def _forget_old(self, now_s: float) -> None:
        # The last command counts for good; one before it as long as an arm may still come from there.
        kept = len(self._sent)
        while len(self._sent) > 1 and self._sent[1][0] <= now_s - self._window_s:
            self._sent.popleft()
        if len(self._sent) < kept:
            self._take_ranges()

    def _take_ranges(self) -> None:
        """Where the arm can be, and how fast, by the commands that count."""
        self._lower = np.minimum.reduce([lower for _, lower, _, _ in self._sent])
        self._upper = np.maximum.reduce([upper for _, _, upper, _ in self._sent])
        velocities = np.array([velocity for _, _, _, velocity in self._sent])  # (commands, Da)
        if velocities.any():
            self._slowest, self._fastest = np.minimum(velocities.min(0), 0.0), np.maximum(velocities.max(0), 0.0)
        else:  # Whoever moves an arm that stands may be as fast as it can be.
            self._slowest, self._fastest = -self._limits.velocity, self._limits.velocity
