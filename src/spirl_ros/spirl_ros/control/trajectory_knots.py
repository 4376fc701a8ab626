"""Knots of joint trajectories that keep an arm within its limits, and bring it to rest if nothing follows."""

from typing import NamedTuple

import numpy as np

from spirl_ros.control.joint_limits import JointLimits

_TICKS_PER_S = 1_000_000_000
"""Times of messages are whole nanoseconds, and have to increase."""


class Knots(NamedTuple):
    """Points of a trajectory. Cubics through them are what an arm's controller makes of positions and velocities."""

    times_s: np.ndarray
    """(K,) from the moment the command is sent [s]."""
    positions: np.ndarray
    """(K, Da) [rad, m]."""
    velocities: np.ndarray
    """(K, Da) [rad/s, m/s], zero at the last one."""


def trajectory_knots(
    positions: np.ndarray,
    velocities: np.ndarray,
    limits: JointLimits,
    period_s: float,
    arrives_s: float | None = None,
) -> Knots:
    """The way to a command of the safety filter, and on to rest.

    The filter limits the mean velocity of each period. If the arm had that velocity at the end of the period and the
    commanded position too, the cubic in between would exceed both the acceleration (four times) and the velocity. So
    the
    knot is the middle of the last command and this one, with the mean velocity of the way between them: from knot to
    knot the cubic is then a constant acceleration, the very one that the filter allowed. The arm follows the commands
    half a period later.

    From the knot on each joint brakes with its own acceleration limit, with a knot wherever one comes to rest. The
    filter has kept room for just that, so the tail stays in the range. No two of those knots are merged, however near:
    a joint would brake harder or longer than SafetyFilter.miss reckons with.

    Args:
        positions: of the command (Da,) [rad, m].
        velocities: of the way from the last command to this one (Da,) [rad/s, m/s].
        limits: of the arm.
        period_s: time until the next command [s].
        arrives_s: when the arm is to be at the first knot [s], for one whose set-point may be elsewhere, see
            `arrival_s`. None is one period from now. No command may follow before.
    """
    knot = positions - 0.5 * period_s * velocities
    stop_s = np.abs(velocities) / limits.acceleration  # (Da,)
    first_s = period_s if arrives_s is None else arrives_s
    after_s = np.unique(np.ceil(stop_s * _TICKS_PER_S)) / _TICKS_PER_S  # (K,), increasing
    after_s = after_s[after_s > 0.0]  # nothing is left where the arm stands
    braking_s = np.minimum(after_s[:, None], stop_s)  # (K-1, Da)
    slower = velocities - np.sign(velocities) * limits.acceleration * braking_s
    slower[braking_s >= stop_s] = 0.0
    further = knot + 0.5 * (velocities + slower) * braking_s
    return Knots(
        times_s=np.concatenate(([first_s], first_s + after_s)),
        positions=np.minimum(np.maximum(np.vstack((knot, further)), limits.position_lower), limits.position_upper),
        velocities=np.vstack((velocities, slower)),
    )


def arrival_s(distances: np.ndarray, limits: JointLimits) -> float:
    """The shortest time in which an arm at rest goes so far (Da,) [rad, m] to a knot at rest, within its limits [s].

    The controller joins the two by a cubic. Over a distance d in a time t that has a velocity of at most 3/2 d/t and an
    acceleration of at most 6 d/t²; one that begins too early (docs/real_arms.md) has twice that in its first update.
    """
    distances = np.abs(distances)
    by_velocity = 1.5 * distances / limits.velocity
    by_acceleration = np.sqrt(12.0 * distances / limits.acceleration)
    return float(np.maximum(by_velocity, by_acceleration).max())


TRANSPORT_S = 0.01
"""A command has reached the arm's controller so long after it was sent [s]. One that has not makes the arm leap by what
it has braked since, in one update."""
_HELD_UP_S = 0.02
"""So much longer may be under way a command that comes when the arm is braking already: what held it up may do so
again [s]."""
_LATENESS_S = 0.006
"""A command may be sent so long after it was due, and nothing about the motion changes [s]."""
_MOST_TAKEN_BACK = 0.1
"""Share of a period by which one way may be shorter or longer, to take back a delay."""
_SHARES = (1.0, 0.5, 0.25)
"""Of that, tried one after another for the first that the limits leave room for."""
_NS = 1e9


class OverlappingKnots:
    """Makes the trajectory of each command from the one before: the same path, up to where the new one departs from it.

    A controller that takes a trajectory over asks it where to be next, and has asked the one before where to be now.
    Both
    are the same path at these times, so it does not matter when exactly that is: nothing depends on what the controller
    holds for the beginning of a trajectory, on its update period, or on how long a command is under way. For that a
    path
    departs from the last one a little after the command was sent, by which the arm is behind. What was sent is kept
    with its times on the arm's clock, so that an estimate of that clock may vary by a little.

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

        That is what SafetyFilter.miss has to be told before it makes that command, and `next` afterwards. An arm that
        the last command left at rest does not brake.

        Args:
            sent_ns: now, on the arm's clock [ns].
        """
        if not len(self._times_ns) or self._times_ns[-1] == self._turn_ns:
            return 0.0
        braked_s = (sent_ns + self._reach_ns - self._turn_ns) / _NS
        return braked_s + _HELD_UP_S if braked_s > 0.0 else 0.0

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
        """Whether a cubic (Da,) over some time keeps the limits."""
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
