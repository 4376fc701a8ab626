"""Joint trajectories with the meaning that ros2_control's joint trajectory controller gives them.

Rules follow the documentation of joint_trajectory_controller on ROS 2 Jazzy: joints in any order by
name, strictly increasing times, zero velocity at the end, a new trajectory replaces the old one at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spirl_ros.errors import CommandError

_AT_REST = float(np.finfo(np.float32).eps)
"""A last velocity above this is motion, as in the controller [rad/s, m/s]."""


@dataclass(frozen=True)
class JointTrajectory:
    """A checked trajectory in the arm's joint order."""

    times_s: np.ndarray
    """(K,) from the start of the trajectory, strictly increasing [s]."""
    positions: np.ndarray
    """(K, Da) [rad, m]."""
    velocities: np.ndarray | None
    """(K, Da) [rad/s, m/s], or None: then positions are joined by straight lines."""
    accelerations: np.ndarray | None = None
    """(K, Da) [rad/s2, m/s2], or None; only beside velocities."""

    @classmethod
    def from_points(
        cls,
        joint_names: Sequence[str],
        times_s: Sequence[float],
        positions: Sequence[Sequence[float] | np.ndarray],
        velocities: Sequence[Sequence[float] | np.ndarray],
        arm_joint_names: Sequence[str],
        accelerations: Sequence[Sequence[float] | np.ndarray] = (),
        *,
        may_end_in_motion: bool = False,
    ) -> "JointTrajectory":
        """Check a trajectory as it arrives and put its joints into the arm's order.

        Args:
            joint_names: the joints of the trajectory, in its own order.
            times_s: per point, time from the start.
            positions: per point, one position per joint.
            velocities: per point, one velocity per joint; or every point's empty.
            arm_joint_names: the arm's joints.
            accelerations: per point, one acceleration per joint; or every point's empty.
            may_end_in_motion: the controller's `allow_nonzero_velocity_at_trajectory_end`.

        Raises:
            CommandError: says which rule was broken and by what.
        """
        if sorted(joint_names) != sorted(arm_joint_names):
            raise CommandError(
                f"trajectory has joints {', '.join(joint_names) or '(none)'}; expected each of "
                f"{', '.join(arm_joint_names)} once, in any order."
            )
        if len(times_s) == 0:
            raise CommandError("trajectory has no points, expected at least one.")
        times = np.array(times_s, dtype=float)
        if not np.isfinite(times).all() or times[0] < 0 or (np.diff(times) <= 0).any():
            raise CommandError(f"time_from_start is {list(times_s)}, expected strictly increasing seconds from 0 on.")
        order = [list(joint_names).index(name) for name in arm_joint_names]
        has_velocities = any(len(velocity) > 0 for velocity in velocities)
        has_accelerations = any(len(acceleration) > 0 for acceleration in accelerations)
        if has_accelerations and not has_velocities:
            raise CommandError("points have accelerations but no velocities. Give both, or positions alone.")
        trajectory = cls(
            times_s=times,
            positions=_points("positions", positions, len(times), order),
            velocities=_points("velocities", velocities, len(times), order) if has_velocities else None,
            accelerations=_points("accelerations", accelerations, len(times), order) if has_accelerations else None,
        )
        last = np.zeros(1) if trajectory.velocities is None else trajectory.velocities[-1]
        if np.abs(last).max() > _AT_REST and not may_end_in_motion:
            raise CommandError(
                f"the last point's velocities are {last.tolist()}, expected zero: end every trajectory at rest, so "
                "that an arm whose commander dies stops by itself."
            )
        return trajectory


def _points(kind: str, points: Sequence[Sequence[float] | np.ndarray], count: int, order: list[int]) -> np.ndarray:
    """One row per point in the arm's joint order, or CommandError."""
    if len(points) != count or any(len(point) != len(order) for point in points):
        raise CommandError(
            f"{kind} have {[len(point) for point in points]} values per point, expected {len(order)} at each of "
            f"{count} points."
        )
    values = np.array(points, dtype=float)[:, order]
    if not np.isfinite(values).all():
        raise CommandError(f"{kind} of point {int(np.argmin(np.isfinite(values).all(axis=1)))} are not finite.")
    return values


class TrajectoryFollower:
    """Samples a trajectory that begins in the state in which it arrived, whatever was followed before."""

    def __init__(
        self,
        trajectory: JointTrajectory,
        start_s: float,
        position: np.ndarray,
        velocity: np.ndarray,
        arrived_s: float | None = None,
    ) -> None:
        """Begin a trajectory.

        Args:
            trajectory: what to follow.
            start_s: time on the arm's clock that counts as the trajectory's zero.
            position: position (Da,) when it arrived.
            velocity: velocity (Da,) when it arrived.
            arrived_s: time on the arm's clock when it arrived, by default the start. The arm is on its way to the first
                point from then on, also where the start is later. What was due before is left out: then the arm jumps
                into the middle of the trajectory.
        """
        self._start_s = start_s
        self._times, self._positions = trajectory.times_s, trajectory.positions
        self._velocities, self._accelerations = trajectory.velocities, trajectory.accelerations
        before_s = 0.0 if arrived_s is None else arrived_s - start_s
        if trajectory.times_s[0] > before_s:
            self._times = np.concatenate(([before_s], self._times))
            self._positions = np.vstack((position, self._positions))
            if self._velocities is not None:
                self._velocities = np.vstack((velocity, self._velocities))
            if self._accelerations is not None:
                self._accelerations = np.vstack((np.zeros_like(velocity), self._accelerations))

    @property
    def end_s(self) -> float:
        """When its last point is due, on the arm's clock."""
        return self._start_s + float(self._times[-1])

    def sample(self, now_s: float) -> tuple[np.ndarray, np.ndarray]:
        """Desired position and velocity (Da,) at a time; the first point before it begins, the last after its end.

        Between two points the position is a polynomial that meets all that is given at both ends: a line for
        positions, a cubic with velocities, a quintic with accelerations.
        """
        t = now_s - self._start_s
        if t <= self._times[0] or t >= self._times[-1]:
            return self._positions[0 if t <= self._times[0] else -1], np.zeros_like(self._positions[0])
        i = int(np.searchsorted(self._times, t, side="right")) - 1
        duration = self._times[i + 1] - self._times[i]
        coefficients = self._coefficients(i, duration)
        powers = ((t - self._times[i]) / duration) ** np.arange(len(coefficients))
        velocity = (np.arange(1, len(coefficients)) * powers[:-1]) @ coefficients[1:] / duration
        return powers @ coefficients, velocity

    def _coefficients(self, i: int, duration: float) -> np.ndarray:
        """Polynomial (degree + 1, Da) of the stretch from point i to the next, in its share of the duration, 0 to 1."""
        p0, p1 = self._positions[i], self._positions[i + 1]
        if self._velocities is None:
            return np.stack((p0, p1 - p0))
        v0, v1 = self._velocities[i] * duration, self._velocities[i + 1] * duration
        if self._accelerations is None:
            return np.stack((p0, v0, 3 * (p1 - p0) - 2 * v0 - v1, 2 * (p0 - p1) + v0 + v1))
        # What is left to reach at the end once the given start is continued with its acceleration.
        a0, a1 = self._accelerations[i] * duration**2, self._accelerations[i + 1] * duration**2
        p, v, a = p1 - p0 - v0 - a0 / 2, v1 - v0 - a0, a1 - a0
        return np.stack((p0, v0, a0 / 2, 10 * p - 4 * v + a / 2, -15 * p + 7 * v - a, 6 * p - 3 * v + a / 2))
