"""Commands and goals that somebody else gives the controller of an arm that is moved by us."""

from collections import deque

from action_msgs.msg import GoalStatus, GoalStatusArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from spirl_ros.nodes.executor.arm_command_topic import ArmCommandTopic
from spirl_ros.nodes.graph.messages import LATCHED_QOS
from spirl_ros.nodes.graph.polled_topic import PolledTopic

_OWN = 50
"""So many of our own commands are remembered; they come back within a few periods."""
_UNDER_WAY = (GoalStatus.STATUS_ACCEPTED, GoalStatus.STATUS_EXECUTING, GoalStatus.STATUS_CANCELING)


class OtherCommands:
    """Listens to the topic that we command on, and to the goals of the controller's action, as MoveIt gives them."""

    def __init__(self, node: Node, command_topic: ArmCommandTopic) -> None:
        """Subscribe."""
        self._topic = command_topic
        self._commands = PolledTopic(
            node,
            Float64MultiArray if command_topic.takes_positions else JointTrajectory,
            command_topic.name,
            QoSProfile(depth=_OWN),
        )
        self._goals = None
        if not command_topic.takes_positions:
            action = command_topic.name.removesuffix("joint_trajectory") + "follow_joint_trajectory"
            self._goals = PolledTopic(node, GoalStatusArray, f"{action}/_action/status", LATCHED_QOS)
        self._own: deque[tuple] = deque(maxlen=_OWN)
        self.goal = ""
        """Says that a goal is under way; empty while none is."""
        command_topic.own_listeners = 1
        command_topic.on_send = lambda message: self._own.append(_content(message))

    def heard(self) -> str:
        """Who else commanded the arm since the last look, or does now; nothing while nobody does."""
        if self._goals is not None and (goals := self._goals.take()) is not None:
            is_under_way = any(status.status in _UNDER_WAY for status in goals.status_list)
            self.goal = f"a goal of {self._goals.name.removesuffix('/_action/status')} moves the arm" * is_under_way
        if any(_content(message) not in self._own for message in self._commands.take_all()):
            names = ", ".join(self._topic.other_publishers()) or "somebody else"
            return f"{names} commands the arm on {self._topic.name}"
        return self.goal

    def close(self) -> None:
        """Unsubscribe."""
        self._commands.close()
        if self._goals is not None:
            self._goals.close()


def _content(message: Float64MultiArray | JointTrajectory) -> tuple:
    """What tells commands apart."""
    if isinstance(message, Float64MultiArray):
        return tuple(message.data)
    first = list(message.points)[:1]
    return tuple((*point.positions, *point.velocities, point.time_from_start.nanosec) for point in first)
