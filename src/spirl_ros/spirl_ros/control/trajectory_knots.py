"""Knots of a joint trajectory that keep an arm within its limits between them, and bring it to rest if nothing follows."""

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
    commanded position too, the cubic in between would exceed both the acceleration (four times) and the velocity. So the
    knot is the middle of the last command and this one, with the mean velocity of the way between them: from knot to
    knot the cubic is then a constant acceleration, the very one that the filter allowed. The arm follows the commands
    half a period later.

    From the knot on each joint brakes with its own acceleration limit, with a knot wherever one comes to rest. The
    filter has kept room for just that, so the tail stays in the range. No two of those knots are merged, however near: a
    joint would brake harder or longer than SafetyFilter.miss reckons with.

    Args:
        positions: of the command (Da,) [rad, m].
        velocities: of the way from the last command to this one (Da,) [rad/s, m/s].
        limits: of the arm.
        period_s: time until the next command [s].
        arrives_s: when the arm is to be at the first knot [s], for one whose set-point may be elsewhere, see `arrival_s`.
            None is one period from now. No command may follow before.
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
