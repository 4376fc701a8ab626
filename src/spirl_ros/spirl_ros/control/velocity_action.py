"""What an action means: joint velocities that become a position set-point."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MEASURED, COMMANDED, CENTRE = "measured", "commanded", "centre"
REFERENCES = (MEASURED, COMMANDED, CENTRE)
"""Which position an action leads by one period at the wanted velocity.

`measured`: as D4RL's kitchen does (franka_env.py in gymnasium-robotics). The servo's lag is part of what an action
does, so the same action moves another arm at another speed, and an error of the measurement becomes motion.
`commanded`: the set-point itself moves at the wanted velocity. An arm follows at that velocity whatever its lag; it is
what an action means that was computed from an arm's measured velocity.
`centre`: the middle of each joint's range. With a scale that reaches its ends in one period an action is the command
itself, as for actuators that take forces or displacements.
"""
VelocityScale = float | tuple[float, ...]
"""Joint velocity of an action of 1 [rad/s, m/s]: one number for all joints, or one for each (Da)."""


def as_velocity_scale(values: Sequence[float]) -> VelocityScale:
    """One number where all joints (Da) have the same, so that equal meanings are equal values."""
    scales = tuple(float(value) for value in values)
    return scales[0] if len(set(scales)) == 1 else scales


def slowed(scale: VelocityScale, speed: float) -> VelocityScale:
    """The scale at a share of the speed."""
    return tuple(value * speed for value in scale) if isinstance(scale, tuple) else scale * speed


def problem_of_scale(scale: VelocityScale, joints: int) -> str:
    """What is wrong with the scale of so many joints, for a message; empty when nothing is."""
    values = np.asarray(scale, dtype=float)
    if values.ndim and values.size != joints:
        return f"has {values.size} values, expected one number, or one for each of {joints} joints"
    if not ((values > 0.0) & (values < np.inf)).all():
        return f"is {format_scale(scale)}, expected finite and more than 0"
    return ""


def format_scale(scale: VelocityScale) -> str:
    """The scale for people, without its unit."""
    return "/".join(f"{value:g}" for value in scale) if isinstance(scale, tuple) else f"{scale:g}"


@dataclass(frozen=True)
class VelocityAction:
    """Turns an action in [-1, 1] into the joint command that leads a position by one control period.

    Training, evaluation and robot share this one meaning; which position that is, is one of REFERENCES.
    """

    position_lower: np.ndarray
    """Smallest joint command (Da,) [rad, m]."""
    position_upper: np.ndarray
    """Largest joint command (Da,) [rad, m]."""
    control_period_s: float
    """How long one action lasts [s]."""
    velocity_scale: VelocityScale
    """Joint velocity of an action of 1 [rad/s, m/s]."""

    def led_positions(self, reference: str, measured: np.ndarray, commanded: np.ndarray) -> np.ndarray:
        """The positions (Da,) that an action leads by one of REFERENCES."""
        if reference == CENTRE:
            return 0.5 * (self.position_lower + self.position_upper)
        return commanded if reference == COMMANDED else measured

    def joint_command(self, action: np.ndarray, joint_positions: np.ndarray) -> np.ndarray:
        """Position set-point (Da,) for an action (Da,) that leads these joint positions (Da,).

        Out-of-range actions are clipped. The caller has checked that both are finite.
        """
        velocity = np.minimum(np.maximum(action, -1.0), 1.0) * np.asarray(self.velocity_scale)
        target = joint_positions + velocity * self.control_period_s
        return np.minimum(np.maximum(target, self.position_lower), self.position_upper)

    def action(self, joint_command: np.ndarray, joint_positions: np.ndarray) -> np.ndarray:
        """The action (Da,) that a joint command (Da,) amounts to when it leads these joint positions (Da,).

        Undoes `joint_command`, except where that clipped: then it is the smaller action with the same effect.
        """
        return (joint_command - joint_positions) / (np.asarray(self.velocity_scale) * self.control_period_s)
