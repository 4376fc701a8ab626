"""Subscriptions whose messages are fetched in batches and stay serialised."""

from dataclasses import dataclass
from importlib import import_module

from rclpy.duration import Duration
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

from spirl_ros.errors import ConfigError
from spirl_ros.nodes.polled_topic import Unwaited
from spirl_ros.recording.bag_metadata import BagTopic, QosProfile, qos_profile
from spirl_ros.recording.bag_writer import RawMessage
from spirl_ros.recording.message_definitions import MessageDefinition, message_definition

_DEPTH = 2000
"""Messages of a topic that wait for a fetch: half a second at 4 kHz."""

_LATCHED, _ACTION = "latched", "action"


@dataclass(frozen=True)
class TopicRequest:
    """A topic to record, as the parameter names it: `NAME TYPE`, `NAME TYPE latched` or `NAME TYPE action`."""

    name: str
    definition: MessageDefinition
    is_latched: bool
    """Its last message counts until the next one, and who subscribes later gets it too."""
    is_action: bool
    """A message on it says that somebody acts."""

    @classmethod
    def parse(cls, text: str) -> "TopicRequest":
        """Read an entry of the parameter `topics`.

        Raises:
            ConfigError: it has another form.
            RecordingError: the type is not known.
        """
        words = text.split()
        if len(words) not in (2, 3) or words[2:] not in ([], [_LATCHED], [_ACTION]):
            raise ConfigError(
                f"topics has '{text}', expected 'NAME TYPE', 'NAME TYPE {_LATCHED}' or 'NAME TYPE {_ACTION}', "
                "for example 'joint_states sensor_msgs/msg/JointState'."
            )
        return cls(words[0], message_definition(words[1]), words[2:] == [_LATCHED], words[2:] == [_ACTION])


@dataclass
class _Topic:
    """One subscription and what is known of those who publish to it."""

    request: TopicRequest
    subscription: Subscription
    publishers: frozenset[bytes] = frozenset()
    last_sequence: int | None = None

    def missed(self, sequence: int) -> int:
        """Messages lost before this one, by the count of the topic's only publisher."""
        last, self.last_sequence = self.last_sequence, sequence
        if last is None or len(self.publishers) != 1 or sequence <= last:
            return 0
        return sequence - last - 1


class RawSubscriptions:
    """Subscriptions to every requested topic, reliable, and transient local where that was asked for.

    A publisher that offers less makes a subscription ask for less. Not thread-safe; used in the executor's thread.
    """

    def __init__(self, node: Node, requests: list[TopicRequest]) -> None:
        """Subscribe."""
        self._node = node
        self._group = Unwaited()
        self._topics = []
        for request in requests:
            durability = DurabilityPolicy.TRANSIENT_LOCAL if request.is_latched else DurabilityPolicy.VOLATILE
            subscription = self._subscribe(request, ReliabilityPolicy.RELIABLE, durability)
            self._topics.append(_Topic(request, subscription))
        self.latched = {index for index, request in enumerate(requests) if request.is_latched}
        """Indices of the topics whose last message counts until the next one."""
        self.lost = 0
        """Messages that were sent and never arrived."""

    def fetch(self) -> list[RawMessage]:
        """Everything that arrived since the last call, in the order it was sent."""
        messages = []
        for index, topic in enumerate(self._topics):
            handle, message_type = topic.subscription.handle, topic.subscription.msg_type
            with handle:
                while (taken := handle.take_message(message_type, True)) is not None:
                    data, info = taken
                    received_ns, sequence = info["received_timestamp"], info["publication_sequence_number"] or 0
                    self.lost += topic.missed(sequence)
                    sent_ns = info["source_timestamp"] or received_ns
                    messages.append(RawMessage(index, received_ns, sent_ns, sequence, data))
        messages.sort(key=lambda message: message.publish_time_ns)
        return messages

    def look_for_publishers(self) -> None:
        """Subscribe again to what a publisher offers with less than was asked for. Call it about once a second."""
        for topic in self._topics:
            offered = self._node.get_publishers_info_by_topic(topic.subscription.topic_name)
            publishers = frozenset(bytes(publisher.endpoint_gid) for publisher in offered)
            if publishers == topic.publishers:
                continue
            topic.publishers, topic.last_sequence = publishers, None
            asked = topic.subscription.qos_profile
            reliability, durability = asked.reliability, asked.durability
            if any(publisher.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT for publisher in offered):
                reliability = ReliabilityPolicy.BEST_EFFORT
            if any(publisher.qos_profile.durability == DurabilityPolicy.VOLATILE for publisher in offered):
                durability = DurabilityPolicy.VOLATILE
            if (reliability, durability) != (asked.reliability, asked.durability):
                self._node.get_logger().info(
                    f"{topic.subscription.topic_name} is offered as {reliability.short_key}, {durability.short_key} only"
                )
                self._node.destroy_subscription(topic.subscription)
                topic.subscription = self._subscribe(topic.request, reliability, durability)

    def bag_topics(self) -> list[BagTopic]:
        """What a bag says about each topic, with the quality of service of those who publish it now."""
        topics = []
        for topic in self._topics:
            name, definition = topic.subscription.topic_name, topic.request.definition
            offered = self._node.get_publishers_info_by_topic(name)
            profiles = tuple(_in_words(publisher.qos_profile) for publisher in offered)
            topics.append(BagTopic(name, definition.type_name, definition.text, definition.type_hash, profiles))
        return topics

    def close(self) -> None:
        """Unsubscribe."""
        for topic in self._topics:
            self._node.destroy_subscription(topic.subscription)

    def _subscribe(
        self, request: TopicRequest, reliability: ReliabilityPolicy, durability: DurabilityPolicy
    ) -> Subscription:
        package, _, name = request.definition.type_name.partition("/msg/")
        return self._node.create_subscription(
            getattr(import_module(f"{package}.msg"), name),
            request.name,
            lambda message: None,
            QoSProfile(depth=_DEPTH, history=HistoryPolicy.KEEP_LAST, reliability=reliability, durability=durability),
            callback_group=self._group,
            # Events share the reader's wake-up with its messages: waiting for one of them would be waiting for all.
            event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
            raw=True,
        )


def _in_words(profile: QoSProfile) -> QosProfile:
    """A quality of service in rosbag2's words."""
    return {
        **qos_profile(
            reliability=ReliabilityPolicy(profile.reliability).short_key,
            durability=DurabilityPolicy(profile.durability).short_key,
            history=HistoryPolicy(profile.history).short_key,
            depth=profile.depth,
        ),
        "deadline": _seconds(profile.deadline),
        "lifespan": _seconds(profile.lifespan),
        "liveliness": LivelinessPolicy(profile.liveliness).short_key,
        "liveliness_lease_duration": _seconds(profile.liveliness_lease_duration),
    }


def _seconds(duration: Duration) -> dict[str, int]:
    seconds, nanoseconds = divmod(duration.nanoseconds, 1_000_000_000)
    return {"sec": seconds, "nsec": nanoseconds}
