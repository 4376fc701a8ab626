"""Converts between our objects and ROS messages."""

from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from builtin_interfaces.msg import Duration as DurationMessage
from builtin_interfaces.msg import Time
from geometry_msgs.msg import TwistStamped
from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, HistoryPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory as JointTrajectoryMessage
from trajectory_msgs.msg import JointTrajectoryPoint

from spirl_msgs.msg import RecordingStatus, SafetyStatus, SceneState, Skill, SkillStatus, TaskStatus
from spirl_ros.arms.joint_trajectory import JointTrajectory
from spirl_ros.control.control_loop import LoopState
from spirl_ros.control.episode_moments import ExecutorMoment, TaskMoment
from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.safety_filter import FilteredCommand, SafetyState
from spirl_ros.control.skill_choice import POLICY, SkillChoice
from spirl_ros.control.trajectory_knots import Knots, trajectory_knots
from spirl_ros.errors import CommandError
from spirl_ros.recording.recorder_status import FAILED, IDLE, RECORDING, RecorderStatus
from spirl_ros.teleoperation.tool_velocity import ToolVelocity

if TYPE_CHECKING:  # A robot has no simulator.
    from spirl_ros.arms.mujoco_arm import MujocoArm
    from spirl_ros.tasks.task import Measurement, StepResult

COMMAND_QOS = QoSProfile(depth=1, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.RELIABLE)
"""Commands: the newest one counts, and it must arrive."""

LATCHED_QOS = QoSProfile(
    depth=1,
    history=HistoryPolicy.KEEP_LAST,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
"""Status: whoever joins late sees the last one."""


CALL_QOS = QoSProfile(depth=10, lifespan=Duration(seconds=1.0))
"""Calls of services that people make: one that does not get through in this time, because the link is broken, is not
sent again when the link is mended. A service has no other way to know that a call is old."""

LIVENESS_PERIODS = 2.5
"""Control periods without a sign of life after which a subscriber that asks for it hears that the publisher is gone."""


def watched(qos: QoSProfile, control_period_s: float) -> QoSProfile:
    """The same with a deadline and a lease. Only publishing renews the lease: a hung loop does not look alive."""
    longest = Duration(seconds=LIVENESS_PERIODS * control_period_s)
    return QoSProfile(
        depth=qos.depth,
        history=qos.history,
        reliability=qos.reliability,
        durability=qos.durability,
        deadline=longest,
        liveliness=LivelinessPolicy.MANUAL_BY_TOPIC,
        liveliness_lease_duration=longest,
    )


def to_stamp(time_ns: int) -> Time:
    """A stamp of a time [ns]."""
    seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
    return Time(sec=seconds, nanosec=nanoseconds)


def stamp_ns(stamp: Time) -> int:
    """Time [ns] of a stamp."""
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def doubles(values: Iterable[float]) -> array:
    """Values as a message takes them at once."""
    # rclpy takes an array of doubles as it is, but checks a list value by value.
    return array("d", np.asarray(values, dtype=np.float64).tobytes())


def to_joint_state(
    positions: np.ndarray, velocities: np.ndarray, joint_names: tuple[str, ...], stamp: Time
) -> JointState:
    """Measured joint positions (Da,) [rad, m] and velocities (Da,) [rad/s, m/s]."""
    message = JointState(name=list(joint_names))
    message.header.stamp = stamp
    message.position = doubles(positions)
    message.velocity = doubles(velocities)
    return message


def to_scene_state(measurement: "Measurement", scene_names: tuple[str, ...], stamp: Time, frame_id: str) -> SceneState:
    """Measured scene positions."""
    message = SceneState(name=list(scene_names))
    message.header.stamp = stamp
    message.header.frame_id = frame_id
    message.position = doubles(measurement.scene_positions)
    return message


def to_task_status(arm: "MujocoArm", step: "StepResult | None", stamp: Time) -> TaskStatus:
    """How far the simulated episode has come; `step` is None right after a reset."""
    environment, progress = arm.environment, arm.environment.progress
    message = TaskStatus(
        task=arm.task,
        episode=arm.episode,
        seed=environment.seed,
        subtasks=list(progress.targets),
        is_completed=[target in progress.completed_at_step for target in progress.targets],
        completed_in_order=progress.completed_in_order,
        completed=list(progress.completed_at_step),
        completed_at_step=list(progress.completed_at_step.values()),
        step=environment.step_count,
        max_steps=environment.max_steps,
        reward=0.0 if step is None else step.reward,
        total_reward=arm.total_reward,
        terminated=step is not None and step.terminated,
        truncated=step is not None and step.truncated,
    )
    message.header.stamp = stamp
    return message


def to_recording_status(status: RecorderStatus, now_s: float) -> RecordingStatus:
    """What the recorder is doing, without the stamp; `now_s` on the steady clock [s]."""
    states = {IDLE: RecordingStatus.IDLE, RECORDING: RecordingStatus.RECORDING, FAILED: RecordingStatus.FAILED}
    return RecordingStatus(
        state=states[status.state],
        reason=status.reason,
        path="" if status.path is None else str(status.path),
        messages=status.messages,
        bytes=status.bytes,
        duration_s=now_s - status.started_s if status.state == RECORDING else status.duration_s,
        free_bytes=status.free_bytes,
        episodes=status.episodes,
    )


def to_position_command(joint_command: np.ndarray) -> Float64MultiArray:
    """Position set-points in the controller's joint order."""
    message = Float64MultiArray()
    message.data = doubles(joint_command)
    return message


def to_trajectory_command(
    command: FilteredCommand, limits: JointLimits, period_s: float, late_s: float = 0.0
) -> JointTrajectoryMessage:
    """A knot one period after the arm receives it, or when the command says, and the way to rest if nothing follows.

    Args:
        command: what the safety filter let through.
        limits: of the arm.
        period_s: time between two commands [s].
        late_s: how long after its due time this one leaves [s]. The knots come earlier by that, but at most by half a
            period, so that the arm need not slow down and hurry to keep the delay.
    """
    knots = trajectory_knots(
        command.joint_positions, command.joint_velocities, limits, period_s, arrives_s=command.arrives_s
    )
    return to_trajectory_message(knots, limits.joint_names, early_s=min(max(late_s, 0.0), 0.5 * period_s))


def to_trajectory_message(
    knots: Knots, joint_names: tuple[str, ...], start_ns: int = 0, early_s: float = 0.0
) -> JointTrajectoryMessage:
    """Knots, all with velocities, so that the way through them is smooth.

    Args:
        knots: of the trajectory.
        joint_names: in their order.
        start_ns: when it begins on the arm's clock [ns]; 0 is when the arm receives it.
        early_s: the knots come earlier by that [s].
    """
    points, early_ns = [], round(early_s * 1e9)
    for time_s, positions, velocities in zip(*knots, strict=True):
        # Not rclpy's Duration: for so many points its conversion takes most of a millisecond.
        seconds, nanoseconds = divmod(round(time_s * 1e9) - early_ns, 1_000_000_000)
        points.append(
            JointTrajectoryPoint(
                positions=doubles(positions),
                velocities=doubles(velocities),
                time_from_start=DurationMessage(sec=seconds, nanosec=nanoseconds),
            )
        )
    message = JointTrajectoryMessage(joint_names=list(joint_names), points=points)
    message.header.stamp = to_stamp(start_ns)
    return message


def to_action(action: np.ndarray) -> Float64MultiArray:
    """An operator's intended action (Da,) in [-1, 1]."""
    message = Float64MultiArray()
    message.data = doubles(action)
    return message


def to_safety_status(command: FilteredCommand, joint_names: tuple[str, ...]) -> SafetyStatus:
    """What the safety filter did to a command; stamp, count and age are left to the node."""
    is_limited = [command.state is not SafetyState.PASSED] * len(joint_names)
    if command.is_limited is not None:
        is_limited = command.is_limited
    return SafetyStatus(
        state=int(command.state),
        reason=command.reason,
        limited_joint_names=[name for name, limited in zip(joint_names, is_limited, strict=True) if limited],
    )


def to_skill(choice: SkillChoice, skill_id: int, chosen_ns: int) -> Skill:
    """A skill that was chosen on the observation of a time [ns]."""
    message = Skill(
        skill_id=skill_id,
        latent=array("f", np.asarray(choice.latent, dtype=np.float32).tobytes()),
        source=Skill.SOURCE_POLICY if choice.source == POLICY else Skill.SOURCE_PRIOR,
        prior_divergence=choice.divergence,
    )
    message.header.stamp = to_stamp(chosen_ns)
    return message


def from_task_status(message: TaskStatus) -> TaskMoment:
    """What the task says."""
    return TaskMoment(
        stamp_ns=stamp_ns(message.header.stamp),
        episode=message.episode,
        seed=message.seed,
        subtasks=tuple(message.subtasks),
        completed_in_order=message.completed_in_order,
        completed_any_order=sum(message.is_completed),
        completed=tuple(zip(message.completed, message.completed_at_step, strict=True)),
        step=message.step,
        total_reward=message.total_reward,
        terminated=message.terminated,
        truncated=message.truncated,
    )


def from_skill_status(message: SkillStatus) -> ExecutorMoment:
    """What the skill executor says."""
    return ExecutorMoment(
        stamp_ns=stamp_ns(message.header.stamp),
        state=LoopState(message.state),
        skill_id=message.skill_id,
        step=message.step,
        skill_horizon=message.skill_horizon,
        bundle=message.bundle,
        bundle_digest=message.bundle_digest,
        reason=message.reason,
    )


def to_tool_velocity(
    message: TwistStamped, *, world_frame: str, tool_frame: str, operator_frame: str, operator_axes: np.ndarray
) -> ToolVelocity:
    """A checked velocity of the tool; raises CommandError for another frame or values that are not finite.

    Args:
        message: along the axes of one of the three frames, an empty one meaning the world's.
        world_frame: name of the world's.
        tool_frame: name of the tool's.
        operator_frame: name of the person's: x ahead, y left, z up (REP 103).
        operator_axes: (3, 3); columns are right, ahead and up of the person, in the world's axes.
    """
    frame, twist = message.header.frame_id, message.twist
    if frame not in ("", world_frame, tool_frame, operator_frame):
        known = f"{world_frame} (or empty), {tool_frame}, or {operator_frame}"
        raise CommandError(f"frame_id is '{frame}', expected {known}.")
    linear = np.array([twist.linear.x, twist.linear.y, twist.linear.z])
    angular = np.array([twist.angular.x, twist.angular.y, twist.angular.z])
    if frame == operator_frame:
        right, ahead, up = operator_axes.T
        to_world = np.column_stack((ahead, -right, up))
        linear, angular = to_world @ linear, to_world @ angular
    return ToolVelocity(linear, angular, is_in_tool_frame=frame == tool_frame)


def from_joint_trajectory(
    message: JointTrajectoryMessage, arm_joint_names: tuple[str, ...], may_end_in_motion: bool = False
) -> JointTrajectory:
    """A checked trajectory; raises CommandError."""
    points = message.points
    if any(len(point.effort) > 0 for point in points):
        raise CommandError("points have efforts, which an arm that is commanded by positions does not take.")
    return JointTrajectory.from_points(
        joint_names=list(message.joint_names),
        times_s=[point.time_from_start.sec + point.time_from_start.nanosec * 1e-9 for point in points],
        positions=[point.positions for point in points],
        velocities=[point.velocities for point in points],
        accelerations=[point.accelerations for point in points],
        arm_joint_names=arm_joint_names,
        may_end_in_motion=may_end_in_motion,
    )
