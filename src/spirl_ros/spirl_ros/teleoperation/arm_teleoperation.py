"""From what a person asks for to safe joint commands, one control step at a time."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from spirl_ros.control.safety_filter import FilteredCommand, SafetyFilter, SafetyState
from spirl_ros.control.velocity_action import VelocityAction
from spirl_ros.demonstrations.arm_motion import GRIPPER_CLOSED, GRIPPER_OPEN
from spirl_ros.demonstrations.kitchen_kinematics import ARM_JOINT_COUNT, KitchenKinematics
from spirl_ros.demonstrations.kitchen_view import KitchenView
from spirl_ros.demonstrations.servo_tracking import ServoTracking
from spirl_ros.errors import ConfigError, ObservationError
from spirl_ros.tasks.kitchen.joint_limits import kitchen_joint_limits
from spirl_ros.tasks.kitchen.scene import CONTROL_PERIOD_S, INITIAL_POSITIONS, KitchenScene
from spirl_ros.teleoperation.differential_ik import DifferentialIK, DifferentialIKConfig, JointMotion
from spirl_ros.teleoperation.tool_velocity import DeadMan, ToolVelocity

_LARGEST_LEAD_RAD = 0.1
"""The wanted joints stay this close to the measured ones, so that pressing on something does not wind up. More would
not press harder: the action that brings a joint this far is 1 already."""
_SPEED_STEP, _SLOWEST_SCALE, _FASTEST_SCALE = 1.25, 0.1, 2.0


@dataclass(frozen=True)
class TeleoperationConfig:
    """How the tool moves."""

    linear_speed_m_s: float = 0.2
    """Speed of the tool at full deflection and speed scale 1."""
    angular_speed_rad_s: float = 0.8
    """The same for turning."""
    linear_acceleration_m_s2: float = 2.0
    """How fast the speed changes, also when the dead-man lets go."""
    angular_acceleration_rad_s2: float = 8.0
    """The same for turning."""
    max_age_s: float = 0.25
    """A joint state older than this is not acted on."""
    ik: DifferentialIKConfig = DifferentialIKConfig()
    """Limits of the joints' motion."""

    def __post_init__(self) -> None:
        """Check the values."""
        for name in (
            "linear_speed_m_s",
            "angular_speed_rad_s",
            "linear_acceleration_m_s2",
            "angular_acceleration_rad_s2",
        ):
            if not 0.0 < getattr(self, name) < np.inf:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected a finite number above 0.")


class TeleoperationStep(NamedTuple):
    """What to send in this control step."""

    action: np.ndarray
    """The intended action (9,) in [-1, 1]: what a demonstration should teach."""
    command: FilteredCommand
    """What the arm is sent."""
    motion: JointMotion
    """How the arm was moved, and what stood in the way."""


class ArmTeleoperation:
    """Integrates the tool velocity that is asked for to wanted joint positions, and has the arm follow them.

    Nothing moves but what somebody asks for: without a fresh velocity the tool brakes and the arm holds its place.
    Not thread-safe.
    """

    def __init__(self, scene: KitchenScene, config: TeleoperationConfig = TeleoperationConfig()) -> None:
        """Prepare; `begin` starts."""
        self._config = config
        self._view = KitchenView(scene)
        self._kinematics = KitchenKinematics(scene)
        self._ik = DifferentialIK(self._kinematics, config.ik)
        self._tracking = ServoTracking(scene)
        self._meaning = VelocityAction(scene.position_lower, scene.position_upper, CONTROL_PERIOD_S)
        self._filter = SafetyFilter(kitchen_joint_limits(scene), CONTROL_PERIOD_S, config.max_age_s)
        self.dead_man = DeadMan()
        """Takes what the devices ask for."""
        self.speed_scale = 1.0
        self.is_gripper_open = True

    @property
    def intervention_count(self) -> int:
        """Commands that the safety filter changed or refused since `begin`."""
        return self._filter.intervention_count

    def begin(self, joint_positions: np.ndarray) -> FilteredCommand:
        """Start, or start again after a reset of the scene, where the arm is, at rest.

        Returns:
            The first command: the measured positions.

        Raises:
            CommandError: the measured positions (9,) cannot be used.
        """
        first = self._filter.activate(joint_positions)
        self.is_gripper_open = True
        self._rest_at(joint_positions)
        return first

    def release_latch(self, joint_positions: np.ndarray) -> FilteredCommand:
        """Go on after the safety filter latched; as `begin`, but the gripper stays as it is.

        Raises:
            CommandError: also while the arm is still moving.
        """
        first = self._filter.reset(joint_positions)
        self._rest_at(joint_positions)
        return first

    def _rest_at(self, joint_positions: np.ndarray) -> None:
        self._wanted = joint_positions[:ARM_JOINT_COUNT].copy()
        self._velocity = np.zeros(6)
        self.dead_man.release()

    def velocity_along(self, direction: np.ndarray, *, is_in_tool_frame: bool) -> ToolVelocity:
        """The velocity for a direction (6,) with components in [-1, 1], at the speed that is set."""
        linear = direction[:3] / max(1.0, float(np.linalg.norm(direction[:3])))
        angular = direction[3:] / max(1.0, float(np.linalg.norm(direction[3:])))
        return ToolVelocity(
            linear * self._config.linear_speed_m_s * self.speed_scale,
            angular * self._config.angular_speed_rad_s * self.speed_scale,
            is_in_tool_frame,
        )

    def change_speed(self, steps: int) -> None:
        """Make it faster by a number of steps of a quarter, or slower for a negative number; 10 % to 200 %."""
        self.speed_scale = min(max(self.speed_scale * _SPEED_STEP**steps, _SLOWEST_SCALE), _FASTEST_SCALE)

    def step(self, joint_positions: np.ndarray, age_s: float, now_s: float) -> TeleoperationStep:
        """Act on a measurement.

        Args:
            joint_positions: measured (9,) [rad, m].
            age_s: how long ago they were received [s].
            now_s: time on the steady clock, as for the dead-man [s].

        Raises:
            ObservationError: positions that are not finite or of the wrong size; nothing is changed.
        """
        if joint_positions.shape != (self._meaning.position_lower.size,):
            raise ObservationError(f"joint positions have shape {joint_positions.shape}.")
        # Gravity and the tool's place depend on the arm alone, so the scene may stand anywhere.
        self._view.update(np.concatenate((joint_positions, INITIAL_POSITIONS[joint_positions.size :])))
        motion = self._move(now_s)
        gripper = GRIPPER_OPEN if self.is_gripper_open else GRIPPER_CLOSED
        action = self._tracking.action(self._wanted, self._view.arm_positions, self._view.gravity_torque, gripper)
        command = self._filter.filter(self._meaning.joint_command(action, joint_positions), age_s)
        if command.state >= SafetyState.HOLDING:
            self._velocity = np.zeros(6)
            self._wanted = self._view.arm_positions
        return TeleoperationStep(action, command, motion)

    def without_measurement(self, age_s: float) -> FilteredCommand:
        """One control step for which no measurement came: hold, then brake, then latch."""
        self._velocity = np.zeros(6)
        return self._filter.filter(None, age_s)

    def brake(self) -> FilteredCommand:
        """One control step on the way to rest, to end with."""
        return self._filter.brake()

    def _move(self, now_s: float) -> JointMotion:
        """Take the wanted joints one period further."""
        asked = self.dead_man.velocity(now_s)
        goal = np.zeros(6) if asked is None else self._within_speed(asked.in_world(self._view.tool.rotation))
        change = goal - self._velocity
        for part, acceleration in (
            (slice(3), self._config.linear_acceleration_m_s2),
            (slice(3, 6), self._config.angular_acceleration_rad_s2),
        ):
            size = float(np.linalg.norm(change[part]))
            change[part] *= min(1.0, acceleration * CONTROL_PERIOD_S / max(size, 1e-12))
        self._velocity = self._velocity + change
        motion = self._ik.joint_motion(self._wanted, self._velocity, CONTROL_PERIOD_S)
        measured = self._view.arm_positions
        self._wanted = np.clip(
            self._wanted + motion.velocities * CONTROL_PERIOD_S,
            measured - _LARGEST_LEAD_RAD,
            measured + _LARGEST_LEAD_RAD,
        )
        return motion

    def _within_speed(self, velocity: np.ndarray) -> np.ndarray:
        """The velocity (6,), shortened to the largest speeds; devices with a velocity of their own may ask for more."""
        shortened = velocity.copy()
        for part, speed in (
            (slice(3), self._config.linear_speed_m_s),
            (slice(3, 6), self._config.angular_speed_rad_s),
        ):
            shortened[part] *= min(1.0, speed * _FASTEST_SCALE / max(float(np.linalg.norm(velocity[part])), 1e-12))
        return shortened
