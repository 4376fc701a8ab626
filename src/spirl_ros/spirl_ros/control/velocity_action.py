"""What an action of the kitchen means: joint velocities that become a position set-point."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class VelocityAction:
    """Turns an action in [-1, 1] into the joint command that the position servos hold for one control period.

    The command leads the *measured* position by one period at the wanted velocity, as D4RL's kitchen does
    (franka_env.py in gymnasium-robotics), so training, evaluation and robot share one meaning.
    """

    position_lower: np.ndarray
    """Smallest joint command (Da,) [rad, m]."""
    position_upper: np.ndarray
    """Largest joint command (Da,) [rad, m]."""
    control_period_s: float
    """How long one action lasts [s]."""
    velocity_scale: float = 2.0
    """Joint velocity of an action of 1 [rad/s, m/s]."""

    def joint_command(self, action: np.ndarray, joint_positions: np.ndarray) -> np.ndarray:
        """Position set-point (Da,) for an action (Da,) chosen at the measured joint positions (Da,).

        Out-of-range actions are clipped. The caller has checked that both are finite.
        """
        velocity = np.minimum(np.maximum(action, -1.0), 1.0) * self.velocity_scale
        target = joint_positions + velocity * self.control_period_s
        return np.minimum(np.maximum(target, self.position_lower), self.position_upper)

    def action(self, joint_command: np.ndarray, joint_positions: np.ndarray) -> np.ndarray:
        """The action (Da,) that a joint command (Da,) amounts to at the measured joint positions (Da,).

        Undoes `joint_command`, except where that clipped: then it is the smaller action with the same effect.
        """
        return (joint_command - joint_positions) / (self.velocity_scale * self.control_period_s)
