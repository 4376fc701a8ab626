"""The simulated kitchen's arm, as teleoperation sees it."""

import numpy as np

from spirl_ros.control.safe_arm import SafeArm
from spirl_ros.control.safety_filter import FilteredCommand
from spirl_ros.kitchen.arm_motion import GRIPPER_CLOSED, GRIPPER_OPEN
from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.kitchen.kinematics import KitchenKinematics
from spirl_ros.kitchen.operator_view import KitchenView
from spirl_ros.kitchen.scene import CONTROL_PERIOD_S, INITIAL_POSITIONS
from spirl_ros.kitchen.servo_tracking import ServoTracking
from spirl_ros.tasks.mujoco_scene import MujocoScene
from spirl_ros.teleoperation.differential_ik import DifferentialIKConfig


class KitchenArm:
    """Soft servos that gravity pulls at: the command says how far ahead of the measured joints to press."""

    control_period_s = CONTROL_PERIOD_S
    ik_config = DifferentialIKConfig()
    operator_axes = np.eye(3)

    def __init__(self, scene: MujocoScene) -> None:
        """Read the scene."""
        self.limits = scene.limits
        self.kinematics = KitchenKinematics(scene)
        self._view = KitchenView(scene)
        self._tracking = ServoTracking(scene)

    def safe_arm(self, max_age_s: float) -> SafeArm:
        """See TeleoperatedArm."""
        return KITCHEN.robot.safe_arm(max_age_s)

    def tool_rotation(self, joint_positions: np.ndarray) -> np.ndarray:
        """See TeleoperatedArm."""
        # Gravity and the tool's place depend on the arm alone, so the scene may stand anywhere.
        self._view.update(np.concatenate((joint_positions, INITIAL_POSITIONS[joint_positions.size :])))
        return self._view.tool.rotation

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
        """See TeleoperatedArm; after `tool_rotation` at the same positions."""
        gripper = GRIPPER_OPEN if is_gripper_open else GRIPPER_CLOSED
        action = self._tracking.action(wanted, self._view.arm_positions, self._view.gravity_torque, gripper)
        return action, arm.act(action, joint_positions, age_s)

    def go_on_from(self, wanted: np.ndarray, sent: np.ndarray) -> np.ndarray:
        """See TeleoperatedArm: what was sent is not where the arm should be."""
        return wanted
