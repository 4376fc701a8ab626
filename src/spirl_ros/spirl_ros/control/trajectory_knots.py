"""Knots of a joint trajectory that keep an arm within its limits between them, and bring it to rest if nothing follows."""

from typing import NamedTuple

import numpy as np

from spirl_ros.control.joint_limits import JointLimits

SHORTEST_S = 0.001
"""Two knots are at least so far apart [s]: the times of messages are rounded, and have to increase."""


class Knots(NamedTuple):
    """Points of a trajectory. Cubics through them are what an arm's controller makes of positions and velocities."""

    times_s: np.ndarray
    """(K,) from the moment the command is sent [s]."""
    positions: np.ndarray
    """(K, Da) [rad, m]."""
    velocities: np.ndarray
    """(K, Da) [rad/s, m/s], zero at the last one."""


def trajectory_knots(positions: np.ndarray, velocities: np.ndarray, limits: JointLimits, period_s: float) -> Knots:
    """The way to a command of the safety filter, and on to rest.

    The filter limits the mean velocity of each period. If the arm had that velocity at the end of the period and the
    commanded position too, the cubic in between would exceed both the acceleration (four times) and the velocity. So the
    knot is the middle of the last command and this one, with the mean velocity of the way between them: from knot to
    knot the cubic is then a constant acceleration, the very one that the filter allowed. The arm follows the commands
    half a period later.

    From the knot on each joint brakes with its own acceleration limit, with a knot wherever one comes to rest. The
    filter has kept room for just that, so the tail stays in the range.

    Args:
        positions: of the command (Da,) [rad, m].
        velocities: of the way from the last command to this one (Da,) [rad/s, m/s].
        limits: of the arm.
        period_s: time until the next command [s].
    """
    knot = positions - 0.5 * period_s * velocities
    stop_s = np.abs(velocities) / limits.acceleration  # (Da,)
    after_s = _spread(np.sort(stop_s))  # (K-1,)
    braking_s = np.minimum(after_s[:, None], stop_s)  # (K-1, Da)
    slower = velocities - np.sign(velocities) * limits.acceleration * braking_s
    slower[braking_s >= stop_s] = 0.0
    further = knot + 0.5 * (velocities + slower) * braking_s
    return Knots(
        times_s=np.concatenate(([period_s], period_s + after_s)),
        positions=np.minimum(np.maximum(np.vstack((knot, further)), limits.position_lower), limits.position_upper),
        velocities=np.vstack((velocities, slower)),
    )


def _spread(sorted_s: np.ndarray) -> np.ndarray:
    """The last of some times, and of the others those that keep their distance from 0 and from what follows."""
    kept = [max(sorted_s[-1], SHORTEST_S)]
    for time_s in sorted_s[-2::-1]:
        if SHORTEST_S <= time_s <= kept[-1] - SHORTEST_S:
            kept.append(time_s)
    return np.array(kept[::-1])
