"""Joint states of an arm, from a topic that other devices may use too."""

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState

from spirl_ros.control.publisher_counts import PublisherCounts
from spirl_ros.nodes.polled_topic import PolledTopic
from spirl_ros.nodes.state_publishers import StatePublishers

_DEPTH = 100
"""Messages that wait for a look: a fast gripper on the topic must not push the arm's out."""


class ArmStates:
    """Has the newest state with any of the arm's joints, and notices when two publishers send such.

    There may be thousands a second, so only those that are needed are unpacked. Not thread-safe.
    """

    def __init__(self, node: Node, topic: str, joint_names: tuple[str, ...]) -> None:
        """Subscribe; drivers may offer best effort only."""
        self._joint_names = joint_names
        self._topic = PolledTopic(
            node, JointState, topic, QoSProfile(depth=_DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT)
        )
        self._everyone, self._ours = PublisherCounts(), StatePublishers(node, self._topic.name)

    @property
    def conflict(self) -> str:
        """Who sends states of this arm beside its driver; empty while one publisher alone does."""
        return self._ours.conflict

    def take(self, now_s: float) -> JointState | None:
        """The newest that arrived since the last look, or None."""
        messages = self._topic.take_serialized()
        for _, number in messages:
            self._everyone.hear(number, now_s)
        newest = None
        for content, number in messages if self._everyone.has_two else reversed(messages):
            state = deserialize_message(content, JointState)
            if not state.name or any(name in state.name for name in self._joint_names):
                self._ours.heard(number, now_s)
                newest = state
                if not self._everyone.has_two:
                    break
        return newest

    def close(self) -> None:
        """Unsubscribe."""
        self._topic.close()
