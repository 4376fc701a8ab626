"""From what a person asks for to safe joint commands, one control step at a time."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.safe_arm import SafeArm
from spirl_ros.control.safety_filter import FilteredCommand, SafetyState
from spirl_ros.errors import ConfigError, ObservationError
from spirl_ros.teleoperation.differential_ik import DifferentialIK, DifferentialIKConfig, JointMotion, Kinematics
from spirl_ros.teleoperation.tool_velocity import DeadMan, ToolVelocity

_LARGEST_LEAD_RAD = 0.1
"""The wanted joints are led no further away from the measured ones, so that pressing on something does not wind up.
More would not press harder where soft servos are led by actions: the one that brings a joint this far is 1 already."""
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
    facing_rad: float = 0.0
    """Where the person looks who moves along the world's axes: counter-clockwise from where the arm looks, seen from
    above."""

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
        if not np.isfinite(self.facing_rad):
            raise ConfigError(f"facing_rad is {self.facing_rad}, expected a finite angle.")


class TeleoperatedArm(Protocol):
    """What teleoperation has to know of an arm with Da joints, the first ones of which move the tool."""

    limits: JointLimits
    control_period_s: float
    ik_config: DifferentialIKConfig
    """How its joints may be moved."""
    operator_axes: np.ndarray
    """(3, 3); columns are right, ahead and up of a person who looks where the arm looks, in the world's axes."""

    @property
    def kinematics(self) -> Kinematics:
        """Of the joints that move the tool."""
        ...

    def tool_rotation(self, joint_positions: np.ndarray) -> np.ndarray:
        """Rotation (3, 3) of the tool at measured joint positions (Da,)."""
        ...

    def safe_arm(self, max_age_s: float) -> SafeArm:
        """A new one, which takes no data older than that [s]."""
        ...

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
        """Bring the tool's joints where they are wanted.

        Args:
            arm: takes the action or the joint target.
            wanted: their positions at the end of this control step [rad, m].
            velocities: with which they are wanted to get there [rad/s, m/s].
            joint_positions: measured (Da,) [rad, m].
            age_s: how long ago they were received [s].
            is_gripper_open: what is wanted of the gripper, if there is one.

        Returns:
            The intended action (Da,), and the command.
        """
        ...

    def go_on_from(self, wanted: np.ndarray, sent: np.ndarray) -> np.ndarray:
        """From where the next control step goes on: where the joints were wanted, or the arm was sent (Da,)."""
        ...


class TeleoperationStep(NamedTuple):
    """What to send in this control step."""

    action: np.ndarray
    """The intended action (Da,) in [-1, 1]: what a demonstration should teach."""
    command: FilteredCommand
    """What the arm is sent."""
    motion: JointMotion
    """How the arm was moved, and what stood in the way."""


class ArmTeleoperation:
    """Integrates the tool velocity that is asked for to wanted joint positions, and has the arm follow them.

    Nothing moves but what somebody asks for: without a fresh velocity the tool brakes and the arm holds its place.
    Not thread-safe.
    """

    def __init__(self, arm: TeleoperatedArm, config: TeleoperationConfig = TeleoperationConfig()) -> None:
        """Prepare; `begin` starts."""
        self.arm = arm
        self._config = config
        self._joint_count = arm.kinematics.lower.size
        self._ik = DifferentialIK(arm.kinematics, arm.ik_config)
        self._safe_arm = arm.safe_arm(config.max_age_s)
        cosine, sine = np.cos(config.facing_rad), np.sin(config.facing_rad)
        turn = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
        self.operator_axes = turn @ arm.operator_axes
        """(3, 3); columns are right, ahead and up of the person, in the world's axes."""
        self.dead_man = DeadMan()
        """Takes what the devices ask for."""
        self.speed_scale = 1.0
        """Of the speeds of the configuration; no device moves the tool faster."""
        self.is_gripper_open = True

    @property
    def intervention_count(self) -> int:
        """Commands that the safety filter changed or refused since `begin`."""
        return self._safe_arm.interventions_since_begin

    @property
    def joint_positions_sent(self) -> np.ndarray:
        """Where the arm was sent last (Da,) [rad, m]; after `begin`."""
        return self._safe_arm.joint_positions

    @property
    def is_moving(self) -> bool:
        """Whether the last command asked for motion."""
        return self._safe_arm.is_moving

    def begin(self, joint_positions: np.ndarray) -> FilteredCommand:
        """Start, or start again after a reset of the scene, where the arm is, at rest.

        Returns:
            The first command: the measured positions.

        Raises:
            CommandError: the measured positions (Da,) cannot be used.
        """
        first = self._safe_arm.begin(joint_positions)
        self.is_gripper_open = True
        self._rest_at(joint_positions)
        return first

    def release_latch(self, joint_positions: np.ndarray) -> FilteredCommand:
        """Go on after the safety filter latched; as `begin`, but the gripper stays as it is.

        Raises:
            CommandError: also while the arm is still moving.
        """
        first = self._safe_arm.reset(joint_positions)
        self._rest_at(joint_positions)
        return first

    def _rest_at(self, joint_positions: np.ndarray) -> None:
        self._wanted = joint_positions[: self._joint_count].copy()
        self._velocity = np.zeros(6)
        self.dead_man.release()

    def velocity_along(self, direction: np.ndarray, *, is_in_tool_frame: bool) -> ToolVelocity:
        """The velocity for a direction (6,) with components in [-1, 1], at the speed that is set.

        Along the world's axes, a direction is right, ahead and up as a person sees it; otherwise the tool's x, y and z.
        """
        linear = direction[:3] / max(1.0, float(np.linalg.norm(direction[:3])))
        angular = direction[3:] / max(1.0, float(np.linalg.norm(direction[3:])))
        if not is_in_tool_frame:
            linear, angular = self.operator_axes @ linear, self.operator_axes @ angular
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
            joint_positions: measured (Da,) [rad, m].
            age_s: how long ago they were received [s].
            now_s: time on the steady clock, as for the dead-man [s].

        Raises:
            ObservationError: positions that are not finite or of the wrong size; nothing is changed.
        """
        arm, measured = self.arm, joint_positions[: self._joint_count]
        if joint_positions.shape != arm.limits.position_lower.shape or not np.isfinite(joint_positions).all():
            raise ObservationError(
                f"joint positions are {joint_positions}, expected {arm.limits.position_lower.size} finite ones."
            )
        rotation = arm.tool_rotation(joint_positions)
        before = arm.go_on_from(self._wanted, self._safe_arm.joint_positions)
        motion = self._move(before, measured, rotation, now_s)
        velocities = (self._wanted - before) / arm.control_period_s
        action, command = arm.move(
            self._safe_arm, self._wanted, velocities, joint_positions, age_s, is_gripper_open=self.is_gripper_open
        )
        if command.state >= SafetyState.HOLDING:
            self._velocity = np.zeros(6)
            self._wanted = measured.copy()
        return TeleoperationStep(action, command, motion)

    def is_asked(self, now_s: float) -> bool:
        """Whether somebody asks for motion now."""
        return self.dead_man.velocity(now_s) is not None

    def miss(self, periods: float) -> None:
        """No command was sent for so many periods, and the arm braked by itself, see SafetyFilter.miss."""
        self._safe_arm.miss(periods)

    def without_measurement(self, age_s: float) -> FilteredCommand:
        """One control step for which no measurement came: hold, then brake, then latch."""
        self._velocity = np.zeros(6)
        return self._safe_arm.aim(None, age_s)

    def brake(self) -> FilteredCommand:
        """One control step on the way to rest, to end with."""
        return self._safe_arm.brake()

    def _move(self, before: np.ndarray, measured: np.ndarray, rotation: np.ndarray, now_s: float) -> JointMotion:
        """Take the wanted joints one period further than before."""
        period_s = self.arm.control_period_s
        asked = self.dead_man.velocity(now_s)
        goal = np.zeros(6) if asked is None else self._within_speed(asked.in_world(rotation))
        change = goal - self._velocity
        for part, acceleration in (
            (slice(3), self._config.linear_acceleration_m_s2),
            (slice(3, 6), self._config.angular_acceleration_rad_s2),
        ):
            size = float(np.linalg.norm(change[part]))
            change[part] *= min(1.0, acceleration * period_s / max(size, 1e-12))
        self._velocity = self._velocity + change
        motion = self._ik.joint_motion(before, self._velocity, period_s)
        # Where the lead is larger already, because something else moved the arm, nobody asked to be led back.
        lower = np.minimum(before, measured - _LARGEST_LEAD_RAD)
        upper = np.maximum(before, measured + _LARGEST_LEAD_RAD)
        self._wanted = np.clip(before + motion.velocities * period_s, lower, upper)
        return motion

    def _within_speed(self, velocity: np.ndarray) -> np.ndarray:
        """The velocity (6,), shortened to the speeds that are set; devices with their own may ask for more."""
        shortened = velocity.copy()
        for part, speed in (
            (slice(3), self._config.linear_speed_m_s),
            (slice(3, 6), self._config.angular_speed_rad_s),
        ):
            shortened[part] *= min(1.0, speed * self.speed_scale / max(float(np.linalg.norm(velocity[part])), 1e-12))
        return shortened
