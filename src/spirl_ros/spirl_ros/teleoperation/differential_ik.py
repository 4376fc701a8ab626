"""Joint velocities that move the tool as asked, slower or less exactly where joints or singularities forbid it."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

_LARGEST_DAMPING = 0.05
"""Of the least squares at a singularity, in the unit of singular values [m]."""
_NOTICEABLE = 0.05
"""Share of the asked velocity that has to be missing before a joint's limit is said to be in the way."""


class Kinematics(Protocol):
    """What has to be known of an arm."""

    lower: np.ndarray
    """(Da,) [rad, m]; no joint is led beyond."""
    upper: np.ndarray
    """(Da,) [rad, m]."""

    def jacobian(self, q: np.ndarray) -> np.ndarray:
        """Linear and angular velocity of the tool per joint velocity, (6, Da), at joint positions (Da,); a copy."""
        ...


@dataclass(frozen=True)
class DifferentialIKConfig:
    """Limits of the motion."""

    joint_velocity_rad_s: float | np.ndarray = 1.0
    """Largest speed of a joint, or of each (Da,) [rad/s, m/s]: soft simulated servos follow about as fast."""
    rotation_weight_m: float = 0.35
    """Metres that one radian is worth, so that singular values compare: about the length of the forearm."""
    singular_below: float = 0.06
    """Smallest singular value of the weighted Jacobian below which damping sets in [m]; the arm starts at 0.17."""


class JointMotion(NamedTuple):
    """How the arm moves."""

    velocities: np.ndarray
    """(Da,) [rad/s, m/s]."""
    scale: float
    """Share of the asked speed that the joints' speeds allow, 0 to 1."""
    is_singular: bool
    """Whether the motion is damped near a singularity."""
    is_at_limit: bool
    """Whether a joint keeps the tool from moving as asked."""


class DifferentialIK:
    """Damped least squares on the arm's Jacobian (Nakamura and Hanafusa 1986, damping only near singularities).

    A joint that would leave its range is held there, and the others take over its part (active set). A slow joint does
    less of the way than fast ones. If one were too fast even so, all are slowed together, so that the tool keeps its
    direction.
    """

    def __init__(self, kinematics: Kinematics, config: DifferentialIKConfig = DifferentialIKConfig()) -> None:
        """Use the kinematics' joint ranges."""
        self._kinematics = kinematics
        self._config = config

    def joint_motion(self, q: np.ndarray, velocity: np.ndarray, period_s: float) -> JointMotion:
        """Velocities to keep for one period.

        Args:
            q: joint positions (Da,) [rad, m].
            velocity: of the tool, linear and angular (6,) [m/s, rad/s], along the world's axes.
            period_s: how long it is kept [s]; no joint leaves its range within.
        """
        wanted = velocity.copy()
        wanted[3:] *= self._config.rotation_weight_m
        jacobian = self._kinematics.jacobian(q)
        jacobian[3:] *= self._config.rotation_weight_m
        lower = np.minimum((self._kinematics.lower - q) / period_s, 0.0)
        upper = np.maximum((self._kinematics.upper - q) / period_s, 0.0)
        is_singular, limit = False, np.broadcast_to(self._config.joint_velocity_rad_s, q.shape)
        # Speeds as shares of the limits are what is made small; of joints that do not move the tool nothing is asked.
        moves_tool = jacobian.any(axis=0)
        ease = limit / limit[moves_tool].max() if moves_tool.any() else np.ones(q.size)
        is_free, fixed = np.ones(q.size, dtype=bool), np.zeros(q.size)
        while True:
            solved, is_damped = self._solve(jacobian * ease * is_free, wanted - jacobian @ fixed)
            is_singular |= is_damped
            velocities = ease * solved + fixed
            scale = 1.0 / max(1.0, float((np.abs(velocities) / limit).max()))
            leaving = is_free & ((velocities * scale < lower) | (velocities * scale > upper))
            if not leaving.any():
                break
            fixed[leaving] = np.clip(velocities * scale, lower, upper)[leaving]
            is_free &= ~leaving
        velocities = np.clip(velocities * scale, lower, upper)
        error = np.linalg.norm(jacobian @ velocities - scale * wanted)
        is_at_limit = not is_free.all() and bool(error > _NOTICEABLE * scale * np.linalg.norm(wanted))
        return JointMotion(velocities, scale, is_singular, is_at_limit)

    def _solve(self, jacobian: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, bool]:
        """Damped least-squares solution (Da,), and whether it was damped."""
        U, sigma, Vt = np.linalg.svd(jacobian, full_matrices=False)
        threshold = self._config.singular_below
        damping = _LARGEST_DAMPING**2 * np.maximum(0.0, 1.0 - (sigma / threshold) ** 2)  # for each direction
        projected = U.T @ wanted
        # Only a direction that is asked for makes the motion singular.
        is_damped = bool((damping * np.abs(projected) > 1e-9).any())
        return Vt.T @ (sigma / (sigma**2 + damping + 1e-12) * projected), is_damped
