"""An arm that a ros2_control controller moves, as teleoperation sees it: its configuration and its URDF."""

from dataclasses import replace

import numpy as np

from spirl_ros.arms.robot_configuration import RobotConfiguration
from spirl_ros.control.safe_arm import SafeArm
from spirl_ros.control.safety_filter import FilteredCommand
from spirl_ros.teleoperation.differential_ik import DifferentialIKConfig
from spirl_ros.teleoperation.urdf_kinematics import UrdfKinematics

_SHARE_OF_ACTION = 0.8
"""Of the joint speed that an action of 1 stands for. A command that comes late is made up for at a higher speed, and
demonstrations faster than an action of 1 cannot be imported."""
_WITH_FEW_JOINTS_M = 0.1
"""Metres that one radian is worth for an arm that cannot keep the tool's rotation while it moves it."""


class ConfiguredArm:
    """Goes where it is sent; motion goes on from there."""

    operator_axes = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    """REP 103: the base's x is ahead and its y is left."""

    def __init__(self, robot: RobotConfiguration, urdf: str) -> None:
        """Read the kinematics.

        Raises:
            ConfigError: the URDF does not fit the configuration, see UrdfKinematics.
        """
        self._robot = robot = robot.with_urdf(urdf)
        self.limits = robot.limits
        self.control_period_s = 1.0 / robot.control_rate_hz
        self.kinematics = UrdfKinematics(urdf, robot.limits, robot.tool_link)
        scale = np.asarray(robot.velocity_scale)
        fastest = np.minimum(_SHARE_OF_ACTION * scale, robot.limits.velocity)
        self.ik_config = DifferentialIKConfig(joint_velocity_rad_s=fastest)
        if len(robot.limits.joint_names) < 6:
            self.ik_config = replace(self.ik_config, rotation_weight_m=_WITH_FEW_JOINTS_M)
        self._velocity_scale = scale

    def safe_arm(self, max_age_s: float) -> SafeArm:
        """See TeleoperatedArm."""
        return self._robot.safe_arm(max_age_s)

    def tool_rotation(self, joint_positions: np.ndarray) -> np.ndarray:
        """See TeleoperatedArm."""
        return self.kinematics.tool_rotation(joint_positions)

    def move(
        self,
        arm: SafeArm,
        wanted: np.ndarray,
        velocities: np.ndarray,
        joint_positions: np.ndarray,
        age_s: float,
        *,
        is_gripper_open: bool,
    ) -> tuple[np.ndarray, FilteredCommand]:
        """See TeleoperatedArm."""
        return np.clip(velocities / self._velocity_scale, -1.0, 1.0), arm.aim(wanted, age_s)

    def go_on_from(self, wanted: np.ndarray, sent: np.ndarray) -> np.ndarray:
        """See TeleoperatedArm: what limits took away is not made up for."""
        return sent
