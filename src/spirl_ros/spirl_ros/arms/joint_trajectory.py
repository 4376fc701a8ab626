"""Joint trajectories with the meaning that ros2_control's joint trajectory controller gives them.

Rules follow the documentation of joint_trajectory_controller on ROS 2 Jazzy: joints in any order by
name, strictly increasing times, zero velocity at the end, a new trajectory replaces the old one at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spirl_ros.errors import CommandError


@dataclass(frozen=True)
class JointTrajectory:
    """A checked trajectory in the arm's joint order."""

    times_s: np.ndarray
    """(K,) from the start of the trajectory, strictly increasing [s]."""
    positions: np.ndarray
    """(K, Da) [rad, m]."""
    velocities: np.ndarray | None
    """(K, Da) [rad/s, m/s], or None: then positions are joined by straight lines."""

    @classmethod
    def from_points(
        cls,
        joint_names: Sequence[str],
        times_s: Sequence[float],
        positions: Sequence[Sequence[float] | np.ndarray],
        velocities: Sequence[Sequence[float] | np.ndarray],
        arm_joint_names: Sequence[str],
    ) -> "JointTrajectory":
        """Check a trajectory as it arrives and put its joints into the arm's order.

        Args:
            joint_names: the joints of the trajectory, in its own order.
            times_s: per point, time from the start.
            positions: per point, one position per joint.
            velocities: per point, one velocity per joint; or every point's empty.
            arm_joint_names: the arm's joints.

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
        trajectory = cls(
            times_s=times,
            positions=_points("positions", positions, len(times), order),
            velocities=_points("velocities", velocities, len(times), order) if has_velocities else None,
        )
        if trajectory.velocities is not None and np.abs(trajectory.velocities[-1]).max() > 1e-6:
            raise CommandError(
                f"the last point's velocities are {trajectory.velocities[-1].tolist()}, expected zero: "
                "end every trajectory at rest, so that an arm whose commander dies stops by itself."
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
    """Samples a trajectory that begins in the state that was desired when it arrived."""

    def __init__(self, trajectory: JointTrajectory, start_s: float, position: np.ndarray, velocity: np.ndarray) -> None:
        """Begin a trajectory.

        Args:
            trajectory: what to follow.
            start_s: time on the arm's clock that counts as the trajectory's zero.
            position: desired position (Da,) at the start.
            velocity: desired velocity (Da,) at the start.
        """
        has_start = trajectory.times_s[0] > 0
        self._start_s = start_s
        self._times = np.concatenate(([0.0], trajectory.times_s)) if has_start else trajectory.times_s
        self._positions = np.vstack((position, trajectory.positions)) if has_start else trajectory.positions
        self._velocities = trajectory.velocities
        if trajectory.velocities is not None and has_start:
            self._velocities = np.vstack((velocity, trajectory.velocities))

    def sample(self, now_s: float) -> tuple[np.ndarray, np.ndarray]:
        """Desired position and velocity (Da,) at a time; the first point before it begins, the last after its end."""
        t = now_s - self._start_s
        if t <= self._times[0]:
            return self._positions[0], np.zeros_like(self._positions[0])
        if t >= self._times[-1]:
            return self._positions[-1], np.zeros_like(self._positions[-1])
        i = int(np.searchsorted(self._times, t, side="right")) - 1
        duration = self._times[i + 1] - self._times[i]
        u = (t - self._times[i]) / duration
        p0, p1 = self._positions[i], self._positions[i + 1]
        if self._velocities is None:
            return p0 + u * (p1 - p0), (p1 - p0) / duration
        # Cubic Hermite spline: positions and velocities are met at both ends.
        m0, m1 = self._velocities[i] * duration, self._velocities[i + 1] * duration
        position = (
            (2 * u**3 - 3 * u**2 + 1) * p0
            + (u**3 - 2 * u**2 + u) * m0
            + (3 * u**2 - 2 * u**3) * p1
            + (u**3 - u**2) * m1
        )
        velocity = ((6 * u**2 - 6 * u) * (p0 - p1) + (3 * u**2 - 4 * u + 1) * m0 + (3 * u**2 - 2 * u) * m1) / duration
        return position, velocity
