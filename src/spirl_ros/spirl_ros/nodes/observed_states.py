"""The newest observation of an arm and its scene, from their topics."""

from collections.abc import Sequence

from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState

from spirl_msgs.msg import SceneState
from spirl_ros.control.latest_observation import LatestObservation
from spirl_ros.errors import ObservationError
from spirl_ros.nodes.managed_node import ManagedNode
from spirl_ros.nodes.messages import stamp_ns
from spirl_ros.nodes.polled_topic import PolledTopic

_DEPTH = 3
"""The newest state counts; a few are kept, because joint states and scene states of the same moment belong together."""


class ObservedStates:
    """Keeps the newest whole observation; states are looked at when asked, because those nobody looks at cost little."""

    def __init__(
        self,
        node: ManagedNode,
        joint_topic: str,
        scene_topic: str,
        observation_names: Sequence[str],
        joint_count: int,
        is_every_state_needed: bool,
    ) -> None:
        """Subscribe.

        Args:
            node: owns the subscriptions.
            joint_topic: sensor_msgs/JointState.
            scene_topic: spirl_msgs/SceneState; not subscribed to when joints are all that is observed.
            observation_names: of the values (Do), the joints first.
            joint_count: how many of them are joints.
            is_every_state_needed: in lockstep, where none follows one that was lost; drivers of arms that run in real time
                may offer best effort only.
        """
        self._node = node
        self.newest = LatestObservation(observation_names[:joint_count], observation_names[joint_count:])
        topics: list[tuple[type, str]] = [(JointState, joint_topic)]
        if len(observation_names) > joint_count:
            topics.append((SceneState, scene_topic))
        qos = QoSProfile(
            depth=_DEPTH,
            reliability=ReliabilityPolicy.RELIABLE if is_every_state_needed else ReliabilityPolicy.BEST_EFFORT,
        )
        self._topics = [PolledTopic(node, message_type, name, qos) for message_type, name in topics]

    def look(self) -> bool:
        """Take in what came since the last look; returns whether there is a new whole observation."""
        messages = [message for topic in self._topics for message in topic.take_all()]
        # Those of the same moment one after the other.
        taken = [
            self._take(message) for message in sorted(messages, key=lambda message: stamp_ns(message.header.stamp))
        ]
        return any(taken)

    def forget(self) -> None:
        """Drop what came while nobody looked."""
        for topic in self._topics:
            topic.take_all()

    def close(self) -> None:
        """Unsubscribe."""
        for topic in self._topics:
            topic.close()

    def _take(self, message: JointState | SceneState) -> bool:
        """Take in a state; returns whether the observation is whole with it."""
        is_scene, now_s = isinstance(message, SceneState), self._node.now_s()
        update = self.newest.update_scene_state if is_scene else self.newest.update_joint_state
        try:
            update(list(message.name), message.position, stamp_ns(message.header.stamp), now_s, may_go_back=True)
        except ObservationError as error:
            self._node.get_logger().error(f"state ignored: {error}", throttle_duration_sec=1.0)
            return False
        return self.newest.age_s(now_s) <= 0.0
