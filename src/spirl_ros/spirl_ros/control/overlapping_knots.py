"""Trajectories on the arm's clock that go on from what was sent before, whenever the arm takes them over."""

import numpy as np

from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.trajectory_knots import Knots, trajectory_knots

TRANSPORT_S = 0.01
"""A command has reached the arm's controller so long after it was sent [s]. One that has not makes the arm leap by what it
has braked since, in one update."""
_LATENESS_S = 0.006
"""A command may be sent so long after it was due, and nothing about the motion changes [s]."""
_MOST_TAKEN_BACK = 0.1
"""Share of a period by which one way may be shorter or longer, to take back a delay."""
_SHARES = (1.0, 0.5, 0.25)
"""Of that, tried one after another for the first that the limits leave room for."""
_NS = 1e9


class OverlappingKnots:
    """Makes the trajectory of each command from the one before: the same path, up to where the new one departs from it.

    A controller that takes a trajectory over asks it where to be next, and has asked the one before where to be now. Both
    are the same path at these times, so it does not matter when exactly that is: nothing depends on what the controller
    holds for the beginning of a trajectory, on its update period, or on how long a command is under way. For that a path
    departs from the last one a little after the command was sent, by which the arm is behind. What was sent is kept with
    its times on the arm's clock, so that an estimate of that clock may vary by a little.

    Where nothing was sent before, or nothing is known of where the controller's set-point is, a trajectory has no
    beginning, and the controller joins its set-point to the first knot.
    """

    def __init__(self, limits: JointLimits, period_s: float, update_period_s: float) -> None:
        """Nothing was sent yet.

        Args:
            limits: of the arm.
            period_s: time between two commands [s].
            update_period_s: of the arm's controller, or a longer time [s].
        """
        self._limits, self._period_s = limits, period_s
        self._most_s = _MOST_TAKEN_BACK * period_s
        self._reach_ns = round((TRANSPORT_S + update_period_s) * _NS)
        self._overlap_ns = self._reach_ns + round(_LATENESS_S * _NS)
        self.forget()

    @property
    def overlap_s(self) -> float:
        """From when a command is due to where its trajectory departs from the one before [s]."""
        return self._overlap_ns / _NS

    def forget(self) -> None:
        """The arm may be elsewhere now."""
        self._times_ns = np.zeros(0, dtype=np.int64)
        self._positions = self._velocities = np.zeros((0, len(self._limits.joint_names)))
        self._turn_ns = 0

    def braked_s(self, sent_ns: int) -> float:
        """For how long the arm will have braked by itself before a command that is sent now takes effect [s].

        That is what SafetyFilter.miss has to be told before it makes that command, and `next` afterwards. An arm that the
        last command left at rest does not brake.

        Args:
            sent_ns: now, on the arm's clock [ns].
        """
        if not len(self._times_ns) or self._times_ns[-1] == self._turn_ns:
            return 0.0
        return max(0.0, (sent_ns + self._reach_ns - self._turn_ns) / _NS)

    def next(
        self,
        positions: np.ndarray,
        velocities: np.ndarray,
        due_ns: int,
        *,
        late_s: float = 0.0,
        braked_s: float = 0.0,
        arrives_s: float | None = None,
    ) -> tuple[int, Knots]:
        """The trajectory of a command.

        Args:
            positions: of the command (Da,) [rad, m].
            velocities: of the way from the last command to this one (Da,) [rad/s, m/s].
            due_ns: when it was due on the arm's clock [ns].
            late_s: how much later it is sent [s].
            braked_s: for how long the safety filter has reckoned that the arm brakes by itself before it [s].
            arrives_s: as in trajectory_knots; what was sent before is then forgotten.

        Returns:
            When the trajectory begins on the arm's clock [ns], and its knots from there.
        """
        first_ns = due_ns + self._overlap_ns
        if arrives_s is not None:
            self.forget()
        if not len(self._times_ns):
            knots = trajectory_knots(positions, velocities, self._limits, self._period_s, arrives_s)
            self._keep(first_ns + _in_ns(knots.times_s), knots.positions, knots.velocities, 0)
            return first_ns, knots
        departs_ns = max(self._turn_ns + round(braked_s * _NS), due_ns + round(late_s * _NS) + self._reach_ns)
        if departs_ns >= self._times_ns[-1]:
            departs_ns = max(departs_ns, first_ns)  # At rest the time that was lost costs nothing.
        position, velocity = self._state(departs_ns)
        period_s = self._step_s(position, velocity, positions, velocities, (first_ns - departs_ns) / _NS)
        knots = trajectory_knots(positions, velocities, self._limits, self._period_s, period_s)
        # From the newest knot on that is surely over when the arm takes this trajectory up.
        first = max(0, int(np.searchsorted(self._times_ns, due_ns - self._reach_ns, side="right")) - 1)
        repeated = slice(first, int(np.searchsorted(self._times_ns, departs_ns)))
        times_ns = np.concatenate(
            (self._times_ns[repeated], [departs_ns], departs_ns + _in_ns(knots.times_s)), dtype=np.int64
        )
        self._keep(
            times_ns,
            np.vstack((self._positions[repeated], position, knots.positions)),
            np.vstack((self._velocities[repeated], velocity, knots.velocities)),
            len(times_ns) - len(knots.times_s),
        )
        return int(times_ns[0]), Knots((times_ns - times_ns[0]) / _NS, self._positions, self._velocities)

    def _keep(self, times_ns: np.ndarray, positions: np.ndarray, velocities: np.ndarray, turn: int) -> None:
        """What was sent; from knot `turn` on the arm brakes."""
        self._times_ns, self._positions, self._velocities = times_ns, positions, velocities
        self._turn_ns = int(times_ns[turn])

    def _state(self, time_ns: int) -> tuple[np.ndarray, np.ndarray]:
        """Position and velocity (Da,) that were sent for a time."""
        i = int(np.searchsorted(self._times_ns, time_ns, side="right")) - 1
        if i < 0 or i == len(self._times_ns) - 1 or time_ns == self._times_ns[i]:
            return self._positions[max(i, 0)], self._velocities[max(i, 0)]
        duration_s = (self._times_ns[i + 1] - self._times_ns[i]) / _NS
        v0, v1 = self._velocities[i], self._velocities[i + 1]
        way = self._positions[i + 1] - self._positions[i]
        t = (time_ns - self._times_ns[i]) / _NS
        a0, a1 = _accelerations(way, v0, v1, duration_s)
        jerk = (a1 - a0) / duration_s
        return (
            self._positions[i] + t * (v0 + t * (0.5 * a0 + t * jerk / 6.0)),
            v0 + t * (a0 + 0.5 * t * jerk),
        )

    def _step_s(
        self, position: np.ndarray, velocity: np.ndarray, command: np.ndarray, mean: np.ndarray, early_s: float
    ) -> float:
        """How long the way to the knot of a command takes: a period, or less to take back a delay."""
        way = command - 0.5 * self._period_s * mean - position
        for share in _SHARES:
            step_s = self._period_s + share * min(max(early_s, -self._most_s), self._most_s)
            if self._is_within_limits(position, way, velocity, mean, step_s):
                return step_s
        return self._period_s

    def _is_within_limits(
        self, position: np.ndarray, way: np.ndarray, v0: np.ndarray, v1: np.ndarray, duration_s: float
    ) -> bool:
        """Is a cubic (Da,) over some time."""
        a0, a1 = _accelerations(way, v0, v1, duration_s)
        limits = self._limits
        if (np.maximum(np.abs(a0), np.abs(a1)) > limits.acceleration).any():
            return False
        t = duration_s * np.linspace(0.0, 1.0, 9)[1:-1, None]
        jerk = (a1 - a0) / duration_s
        on_way = position + t * (v0 + t * (0.5 * a0 + t * jerk / 6.0))
        fastest = np.abs(v0 + t * (a0 + 0.5 * t * jerk))
        is_inside = (limits.position_lower <= on_way) & (on_way <= limits.position_upper)
        return bool(is_inside.all() and (fastest <= limits.velocity).all())


def _accelerations(way: np.ndarray, v0: np.ndarray, v1: np.ndarray, duration_s: float) -> tuple[np.ndarray, np.ndarray]:
    """At both ends of a cubic (Da,) that goes a way between two velocities."""
    mean = 6.0 * way / duration_s
    return (mean - 4.0 * v0 - 2.0 * v1) / duration_s, (2.0 * v0 + 4.0 * v1 - mean) / duration_s


def _in_ns(times_s: np.ndarray) -> np.ndarray:
    return np.rint(times_s * _NS).astype(np.int64)
