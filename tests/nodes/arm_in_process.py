"""A pace of teleoperation and the stand-in for its arm in one process, in a time without jitter."""

from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from builtin_interfaces.msg import Duration, Time
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory as JointTrajectoryMessage
from trajectory_msgs.msg import JointTrajectoryPoint

from spirl_ros.arms.robot_configuration import read_robot
from spirl_ros.arms.stand_in_arm import FORWARD_POSITION, JOINT_TRAJECTORY, StandInArm, StandInSettings
from spirl_ros.nodes.executor.arm_command_topic import ArmCommandTopic
from spirl_ros.nodes.executor.arm_pace import ArmPace
from spirl_ros.nodes.graph.messages import from_joint_trajectory, stamp_ns, to_stamp
from spirl_ros.nodes.teleoperation.teleop_steps import TeleopSteps
from spirl_ros.shipped import shipped
from spirl_ros.teleoperation.arm_teleoperation import ArmTeleoperation
from spirl_ros.teleoperation.configured_arm import ConfiguredArm

POSTURE = {"ur5e": [0.3, -1.8, 1.9, -1.7, -1.5, 0.2], "fr3": [0.2, -0.6, 0.1, -2.2, 0.1, 1.7, 0.6]}
STATE_PERIOD_S = 0.01
AHEAD = np.array([0.0, 1.0, 0.0, 0.0, 0.0, 0.0])


class Publisher:
    def __init__(self, name: str) -> None:
        self.topic_name, self.on_message = f"/{name}", lambda message: None
        self.listeners = 2  # the controller and we ourselves

    def publish(self, message) -> None:
        self.on_message(message)

    def get_subscription_count(self) -> int:
        return self.listeners

    def assert_liveliness(self) -> None:
        pass


class Subscription:
    """What a PolledTopic takes messages from: each with its publisher's number."""

    def __init__(self, message_type: type, name: str, depth: int) -> None:
        self.msg_type, self.topic_name = message_type, f"/{name}"
        self.handle = self
        self.waiting: deque = deque(maxlen=depth)

    def __enter__(self) -> None: ...

    def __exit__(self, *_) -> None: ...

    def take_message(self, _, is_serialized: bool):
        if not self.waiting:
            return None
        content, number = self.waiting.popleft()
        message = content if is_serialized else deserialize_message(content, self.msg_type)
        return message, {"publication_sequence_number": number}

    def put(self, message, number: int = 0) -> None:
        self.waiting.append((serialize_message(message), number))


class Node:
    """The part of a ManagedNode that teleoperation's steps use."""

    steady_clock = None

    def __init__(self) -> None:
        self.time_s, self.log = 100.0, []
        self.publishers: dict[str, Publisher] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self.state_publishers = ["driver"]
        self.on_period: Callable[[], None] | None = None
        self.timer = SimpleNamespace(reset=lambda: setattr(self, "due_s", self.time_s + self.period_s))

    def create_publisher(self, _, name: str, qos) -> Publisher:
        return self.publishers.setdefault(name, Publisher(name))

    def create_subscription(self, message_type, name, callback, qos, **_) -> Subscription:
        return self.subscriptions.setdefault(name.lstrip("/"), Subscription(message_type, name.lstrip("/"), qos.depth))

    def create_timer(self, period_s: float, callback, clock):
        self.period_s, self.on_period, self.due_s = period_s, callback, self.time_s + period_s
        return self.timer

    def now_s(self) -> float:
        return self.time_s

    def get_clock(self):
        return SimpleNamespace(now=lambda: SimpleNamespace(to_msg=Time, nanoseconds=round(self.time_s * 1e9)))

    def get_logger(self):
        def say(text: str, **_) -> None:
            self.log.append(text)

        return SimpleNamespace(info=say, warning=say, error=say)

    def get_name(self) -> str:
        return "teleop"

    def get_namespace(self) -> str:
        return "/"

    def get_publishers_info_by_topic(self, topic: str) -> list:
        names = self.state_publishers if "joint_states" in topic else ["teleop", "move_group"]
        return [SimpleNamespace(node_name=name, node_namespace="/") for name in names]


class Person:
    """Runs teleoperation as the node does, asking for one direction at a time. The stand-in stops for good above
    limits."""

    def __init__(
        self, name: str = "ur5e", lag_s: float = 0.02, *, takes_positions: bool = False, stamps_within_s: float = 0.0
    ) -> None:
        robot = read_robot(name)
        self.limits = robot.limits
        settings = StandInSettings(
            servo_lag_s=lag_s,
            path_tolerance=0.0,
            acceleration_tolerance=1.05,
            controller=FORWARD_POSITION if takes_positions else JOINT_TRAJECTORY,
        )
        self.node: Any
        self.node, self.arm = Node(), StandInArm(robot.limits, np.array(POSTURE[name]), settings, 100.0)
        self.offset = np.zeros(len(robot.limits.joint_names))
        """Of what is measured from where the arm is."""
        configured = ConfiguredArm(robot, shipped(f"config/urdf/{name}.urdf").read_text())
        self.teleoperation = ArmTeleoperation(configured)
        topic = ArmCommandTopic(
            self.node,
            robot.limits,
            configured.control_period_s,
            controller="c",
            takes_positions=takes_positions,
            stamps_within_s=stamps_within_s,
        )
        self.readiness: Any = SimpleNamespace(fault="")
        self.steps = TeleopSteps(self.node, self.teleoperation, topic, max_age_s=robot.max_age_s, rests_silently=True)
        self.pace = ArmPace(
            self.node, self.steps, self.teleoperation, self.readiness, "joint_states", robot.max_age_s,
            robot.path_tolerance, realtime_priority=0,
        )  # fmt: skip
        self.sent = 0
        self.command_topic = "c/commands" if takes_positions else "c/joint_trajectory"
        self.node.publishers[self.command_topic].on_message = self.command
        self.states = self.node.subscriptions["joint_states"]
        self.numbers: dict[str, int] = dict.fromkeys(("driver", "gripper", "other"), 0)
        self.late_s = 0.0
        """Of the next period."""
        self.silent_until_s = -np.inf
        """No joint state arrives before."""
        self.pace.start()

    def command(self, message) -> None:
        self.sent += 1
        self.node.subscriptions[self.command_topic].put(message)
        if hasattr(message, "data"):
            self.arm.command_positions(np.array(message.data))
        else:
            start_s = stamp_ns(message.header.stamp) * 1e-9 or None
            self.arm.command_trajectory(from_joint_trajectory(message, self.arm.joint_names, False), start_s)

    def publish(self, publisher: str, names, positions) -> None:
        self.numbers[publisher] += 1
        state = JointState(name=list(names), position=[float(value) for value in positions])
        state.header.stamp = to_stamp(round(self.node.time_s * 1e9))
        self.states.put(state, self.numbers[publisher])

    def run(self, duration_s: float, direction: np.ndarray | None = None, beside: Callable[[], None] | None = None):
        """Let time pass, holding a key for a direction (6,), and something else act beside with every state."""
        end_s = self.node.time_s + duration_s
        while self.node.time_s < end_s - 1e-9:
            self.node.time_s += STATE_PERIOD_S
            self.arm.advance(self.node.time_s)
            assert self.arm.is_ready, self.arm.fault
            if self.node.time_s > self.silent_until_s:
                self.publish("driver", self.arm.joint_names, self.arm.positions + self.offset)
            if beside is not None:
                beside()
            self.pace.watch()
            if direction is not None:
                velocity = self.teleoperation.velocity_along(direction, is_in_tool_frame=False)
                self.teleoperation.dead_man.ask(velocity, self.node.time_s, timeout_s=0.1)
            if self.node.time_s >= self.node.due_s + self.late_s - 1e-9:
                self.node.due_s += self.node.period_s * (1 + self.late_s // self.node.period_s)
                self.late_s = 0.0
                self.node.on_period()

    @property
    def log_text(self) -> str:
        return "\n".join(self.node.log)

    def take_over(self) -> None:
        self.run(1.5)
        assert self.steps.has_begun and self.steps.stop_reason == ""

    def move_by_others(self, joint: int, distance: float, duration_s: float = 1.0, *, is_heard: bool = False) -> None:
        """As MoveIt does: one trajectory from where the controller has its set-point to rest.

        Its action's goals are not told here; heard is what is commanded on our own topic.
        """
        goal = self.arm.desired.copy()
        goal[joint] += distance
        names, seconds = list(self.arm.joint_names), int(duration_s)
        point = JointTrajectoryPoint(positions=goal.tolist(), velocities=[0.0] * len(names))
        point.time_from_start = Duration(sec=seconds, nanosec=round((duration_s - seconds) * 1e9))
        message = JointTrajectoryMessage(joint_names=names, points=[point])
        self.arm.command_trajectory(from_joint_trajectory(message, self.arm.joint_names, False))
        if is_heard:
            self.node.subscriptions[self.command_topic].put(message)

    def release(self) -> None:
        assert self.pace.why_latched() == ""
        self.pace.release_latch()
