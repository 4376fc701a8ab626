"""The simulated kitchen's arm, as teleoperation sees it."""

import numpy as np

from spirl_ros.control.velocity_action import VelocityAction
from spirl_ros.demonstrations.arm_motion import GRIPPER_CLOSED, GRIPPER_OPEN
from spirl_ros.demonstrations.kitchen_kinematics import KitchenKinematics
from spirl_ros.demonstrations.kitchen_view import KitchenView
from spirl_ros.demonstrations.servo_tracking import ServoTracking
from spirl_ros.tasks.kitchen.joint_limits import kitchen_joint_limits
from spirl_ros.tasks.kitchen.scene import CONTROL_PERIOD_S, INITIAL_POSITIONS, KitchenScene
from spirl_ros.teleoperation.differential_ik import DifferentialIKConfig


class KitchenArm:
    """Soft servos that gravity pulls at: the command says how far ahead of the measured joints to press."""

    control_period_s = CONTROL_PERIOD_S
    ik_config = DifferentialIKConfig()
    operator_axes = np.eye(3)

    def __init__(self, scene: KitchenScene) -> None:
        """Read the scene."""
        self.limits = kitchen_joint_limits(scene)
        self.kinematics = KitchenKinematics(scene)
        self._view = KitchenView(scene)
        self._tracking = ServoTracking(scene)
        self._meaning = VelocityAction(scene.position_lower, scene.position_upper, CONTROL_PERIOD_S)

    def tool_rotation(self, joint_positions: np.ndarray) -> np.ndarray:
        """See TeleoperatedArm."""
        # Gravity and the tool's place depend on the arm alone, so the scene may stand anywhere.
        self._view.update(np.concatenate((joint_positions, INITIAL_POSITIONS[joint_positions.size :])))
        return self._view.tool.rotation

    def aim(
        self, wanted: np.ndarray, velocities: np.ndarray, joint_positions: np.ndarray, *, is_gripper_open: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """See TeleoperatedArm; after `tool_rotation` at the same positions."""
        gripper = GRIPPER_OPEN if is_gripper_open else GRIPPER_CLOSED
        action = self._tracking.action(wanted, self._view.arm_positions, self._view.gravity_torque, gripper)
        return action, self._meaning.joint_command(action, joint_positions)

    def go_on_from(self, wanted: np.ndarray, sent: np.ndarray) -> np.ndarray:
        """See TeleoperatedArm: what was sent is not where the arm should be."""
        return wanted
