"""Converts between our objects and ROS messages."""

from array import array
from collections.abc import Iterable

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory as JointTrajectoryMessage

from spirl_msgs.msg import SceneState, TaskStatus
from spirl_ros.arms.joint_trajectory import JointTrajectory
from spirl_ros.arms.mujoco_arm import MujocoArm
from spirl_ros.tasks.kitchen.environment import StepResult
from spirl_ros.tasks.kitchen.simulation import Measurement

COMMAND_QOS = QoSProfile(depth=1, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.RELIABLE)
"""Commands: the newest one counts, and it must arrive."""

LATCHED_QOS = QoSProfile(
    depth=1,
    history=HistoryPolicy.KEEP_LAST,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
"""Status: whoever joins late sees the last one."""


def to_stamp(time_ns: int) -> Time:
    """A stamp of a time [ns]."""
    seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
    return Time(sec=seconds, nanosec=nanoseconds)


def stamp_ns(stamp: Time) -> int:
    """Time [ns] of a stamp."""
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def _doubles(values: Iterable[float]) -> array:
    # rclpy takes an array of doubles as it is, but checks a list value by value.
    return array("d", np.asarray(values, dtype=np.float64).tobytes())


def to_joint_state(measurement: Measurement, joint_names: tuple[str, ...], stamp: Time) -> JointState:
    """Measured joint positions and velocities."""
    message = JointState(name=list(joint_names))
    message.header.stamp = stamp
    message.position = _doubles(measurement.joint_positions)
    message.velocity = _doubles(measurement.joint_velocities)
    return message


def to_scene_state(measurement: Measurement, scene_names: tuple[str, ...], stamp: Time, frame_id: str) -> SceneState:
    """Measured scene positions."""
    message = SceneState(name=list(scene_names))
    message.header.stamp = stamp
    message.header.frame_id = frame_id
    message.position = _doubles(measurement.scene_positions)
    return message


def to_task_status(arm: MujocoArm, step: StepResult | None, stamp: Time) -> TaskStatus:
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
        max_steps=environment.config.max_steps,
        reward=0.0 if step is None else step.reward,
        total_reward=arm.total_reward,
        terminated=step is not None and step.terminated,
        truncated=step is not None and step.truncated,
    )
    message.header.stamp = stamp
    return message


def to_position_command(joint_command: np.ndarray) -> Float64MultiArray:
    """Position set-points in the controller's joint order."""
    message = Float64MultiArray()
    message.data = _doubles(joint_command)
    return message


def from_joint_trajectory(message: JointTrajectoryMessage, arm_joint_names: tuple[str, ...]) -> JointTrajectory:
    """A checked trajectory; raises CommandError."""
    points = message.points
    return JointTrajectory.from_points(
        joint_names=list(message.joint_names),
        times_s=[point.time_from_start.sec + point.time_from_start.nanosec * 1e-9 for point in points],
        positions=[point.positions for point in points],
        velocities=[point.velocities for point in points],
        accelerations=[point.accelerations for point in points],
        arm_joint_names=arm_joint_names,
    )
