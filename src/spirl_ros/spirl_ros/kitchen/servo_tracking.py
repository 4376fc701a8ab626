"""Actions that bring the simulated arm to wanted joint positions, through its soft servos and against gravity."""

import numpy as np

from spirl_ros.kitchen.joint_limits import KITCHEN_VELOCITY_SCALE
from spirl_ros.kitchen.kinematics import ARM_JOINT_COUNT
from spirl_ros.kitchen.scene import CONTROL_PERIOD_S
from spirl_ros.tasks.mujoco_scene import MujocoScene

_TRACKING_GAIN = np.array([2.0] * 4 + [1.6] * 3)
"""Command's lead per joint error: a servo covers 1/2 (joints 1-4) or 1/1.6 (5-7) of it in a step, so errors vanish in
one."""


class ServoTracking:
    """Knows how soft the servos are."""

    def __init__(self, scene: MujocoScene) -> None:
        """Read the servos' stiffness from the model."""
        self._joint_count = scene.joint_count
        gains = scene.model.actuator_gainprm[: scene.joint_count, 0]
        self._servo_stiffness = gains[:ARM_JOINT_COUNT].copy()  # [Nm/rad]
        self._action_range = KITCHEN_VELOCITY_SCALE * CONTROL_PERIOD_S  # lead of an action of 1 [rad]

    def action(
        self, target: np.ndarray, arm_positions: np.ndarray, gravity_torque: np.ndarray, gripper: float
    ) -> np.ndarray:
        """Action (9,) that brings the arm to a target in about one control step, gravity included.

        Args:
            target: wanted arm joint positions (7,) [rad].
            arm_positions: measured ones (7,) [rad].
            gravity_torque: torque (7,) that holds the arm there [Nm].
            gripper: action of both fingers.
        """
        lead = _TRACKING_GAIN * (target - arm_positions) + gravity_torque / self._servo_stiffness
        action = np.empty(self._joint_count)
        action[:ARM_JOINT_COUNT] = np.minimum(np.maximum(lead / self._action_range, -1.0), 1.0)
        action[ARM_JOINT_COUNT:] = gripper
        return action
