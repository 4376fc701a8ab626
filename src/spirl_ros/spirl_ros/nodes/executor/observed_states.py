"""The newest observation of an arm and its scene, from their topics."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image, JointState

from spirl_msgs.msg import SceneState
from spirl_ros.control.image_messages import from_image, image_topic
from spirl_ros.control.latest_pictures import LatestPictures
from spirl_ros.control.observation import LatestObservation
from spirl_ros.control.observation_fields import PICTURE, Field
from spirl_ros.errors import ObservationError
from spirl_ros.nodes.graph.managed_node import ManagedNode
from spirl_ros.nodes.graph.messages import stamp_ns
from spirl_ros.nodes.graph.polled_topic import PolledTopic

_DEPTH = 3
"""The newest state counts; a few are kept, because joint states and scene states of the same moment belong together."""


class ObservedStates:
    """Keeps the newest whole observation; messages are read when asked for: those nobody reads cost little."""

    def __init__(
        self,
        node: ManagedNode,
        joint_topic: str,
        scene_topic: str,
        fields: Sequence[Field],
        joint_count: int,
        is_every_state_needed: bool,
        max_picture_age_s: float,
    ) -> None:
        """Subscribe.

        Args:
            node: owns the subscriptions.
            joint_topic: sensor_msgs/JointState.
            scene_topic: spirl_msgs/SceneState; not subscribed to when joints are all that is observed.
            fields: of the observation, the state first, its values (Do) with the joints first. Each picture comes from
                `camera/SOURCE/image_raw`, as sensor_msgs/Image.
            joint_count: how many of the state's values are joints.
            is_every_state_needed: in lockstep, where none follows one that was lost, and a picture has to be of the
                state's moment; drivers of arms that run in real time may offer best effort only.
            max_picture_age_s: how much older than the state a picture may be otherwise [s].

        Raises:
            ObservationError: a vector beside the state has values that the state lacks.
        """
        self._node = node
        names = fields[0].names
        pictures = [field for field in fields if field.dtype == PICTURE]
        self.newest = LatestObservation(
            names[:joint_count],
            names[joint_count:],
            vectors=[field for field in fields[1:] if field.dtype != PICTURE],
            pictures=LatestPictures(pictures, None if is_every_state_needed else max_picture_age_s),
        )
        self.fault = ""
        """Why the newest picture, of any camera, cannot be used; empty while it can."""
        qos = QoSProfile(
            depth=_DEPTH,
            reliability=ReliabilityPolicy.RELIABLE if is_every_state_needed else ReliabilityPolicy.BEST_EFFORT,
        )
        self._topics: list[tuple[PolledTopic, Callable[[Any, float], None]]] = [
            (PolledTopic(node, JointState, joint_topic, qos), self._take_state)
        ]
        if len(names) > joint_count:
            self._topics.append((PolledTopic(node, SceneState, scene_topic, qos), self._take_state))
        for field in pictures:
            topic = PolledTopic(node, Image, image_topic(field.source), qos)
            self._topics.append((topic, partial(self._take_picture, field)))

    def look(self) -> bool:
        """Take in what came since the last look; returns whether there is a new whole observation."""
        messages = [(message, take) for topic, take in self._topics for message in topic.take_all()]
        # Those of the same moment one after the other.
        messages.sort(key=lambda entry: stamp_ns(entry[0].header.stamp))
        return any([self._take(message, take) for message, take in messages])

    def lacking(self) -> str:
        """Which picture the newest state waits for, in words, and why; empty when none."""
        fault = self.fault.rstrip(".")
        return f"a picture that can be used: {fault}" if fault else self.newest.lacking()

    def forget(self) -> None:
        """Drop what came while nobody looked."""
        for topic, _ in self._topics:
            topic.take_all()

    def close(self) -> None:
        """Unsubscribe."""
        for topic, _ in self._topics:
            topic.close()

    def _take(self, message: Any, take: Callable[[Any, float], None]) -> bool:
        """Take in a message; returns whether the observation is whole with it."""
        now_s = self._node.now_s()
        try:
            take(message, now_s)
        except ObservationError as error:
            self._node.get_logger().error(f"ignored: {error}", throttle_duration_sec=1.0)
            return False
        return self.newest.age_s(now_s) <= 0.0

    def _take_state(self, message: JointState | SceneState, now_s: float) -> None:
        is_scene = isinstance(message, SceneState)
        update = self.newest.update_scene_state if is_scene else self.newest.update_joint_state
        update(list(message.name), message.position, stamp_ns(message.header.stamp), now_s, may_go_back=True)

    def _take_picture(self, field: Field, message: Image, now_s: float) -> None:
        try:
            self.newest.update_picture(field.name, from_image(message, field), stamp_ns(message.header.stamp), now_s)
        except ObservationError as error:
            self.fault = str(error)
            raise
        self.fault = ""
