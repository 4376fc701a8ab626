"""Subscriptions whose messages are fetched in batches and stay serialised."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module

from rclpy.duration import Duration
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSCompatibility,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
)
from rclpy.subscription import Subscription

from spirl_ros.errors import ConfigError
from spirl_ros.nodes.graph.latched_memory import LatchedMemory
from spirl_ros.nodes.graph.polled_topic import Unwaited
from spirl_ros.recording.bag_metadata import BagTopic, QosProfile, qos_profile
from spirl_ros.recording.bag_writer import RawMessage
from spirl_ros.recording.message_definitions import MessageDefinition, message_definition
from spirl_ros.recording.receive_clock import ReceiveClock
from spirl_ros.recording.stamp_watch import StampWatch, has_stamp, stamp_ns

_DEPTH = 2000
"""Messages of a topic that wait for a fetch: half a second at 4 kHz."""

_LONGEST_LATENCY_NS = 100_000_000
"""Messages that seem to come later, or before they were sent, were sent by another clock than ours [ns]."""

_LATCHED, _ACTION, _OPTIONAL = "latched", "action", "optional"
_KINDS = (_LATCHED, _ACTION, _OPTIONAL)


@dataclass(frozen=True)
class TopicRequest:
    """A topic to record, as the parameter names it: `NAME TYPE`, then any of `latched`, `action`, `optional`."""

    name: str
    definition: MessageDefinition
    is_latched: bool
    """Whether its last message counts until the next one; late subscribers get it too."""
    is_action: bool
    """Whether a message on it says that somebody acts."""
    is_optional: bool = False
    """Whether an episode may be without it."""

    @classmethod
    def parse(cls, text: str) -> "TopicRequest":
        """Read an entry of the parameter `topics`.

        Raises:
            ConfigError: it has another form.
            RecordingError: the type is not known.
        """
        words = text.split()
        if len(words) < 2 or not set(words[2:]) <= set(_KINDS):
            raise ConfigError(
                f"topics has '{text}', expected 'NAME TYPE' and behind it any of {', '.join(_KINDS)}, "
                "for example 'joint_states sensor_msgs/msg/JointState'."
            )
        return cls(words[0], message_definition(words[1]), *(kind in words[2:] for kind in _KINDS))


@dataclass
class _Topic:
    """One subscription and what is known of those who publish to it."""

    request: TopicRequest
    subscription: Subscription
    memory: LatchedMemory | None
    """Of a latched topic."""
    stamps: StampWatch | None
    """Of a topic whose messages have stamps."""
    publishers: frozenset[bytes] = frozenset()
    last_sequence: int | None = None
    received: int = 0
    """Messages so far."""

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
            ask = partial(self._subscribe, request, ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL)
            memory = LatchedMemory(node, ask) if request.is_latched else None
            stamps = StampWatch() if has_stamp(request.definition.text) else None
            self._topics.append(_Topic(request, subscription, memory, stamps))
        self.clock = ReceiveClock(time.time_ns(), time.monotonic_ns())
        """Whose times messages are received at."""
        self.lost = 0
        """Messages that were sent and never arrived."""
        self.stamp_problems: list[tuple[str, str]] = []
        """Topics whose stamps cannot be true, and why; whoever tells it empties the list."""

    @property
    def names(self) -> list[str]:
        """Full name of each topic."""
        return [topic.subscription.topic_name for topic in self._topics]

    @property
    def received(self) -> list[int]:
        """How many messages came on each topic."""
        return [topic.received for topic in self._topics]

    def fetch(self) -> list[RawMessage]:
        """Everything that arrived since the last call, in the order it was sent."""
        self.clock.begin_fetch(time.time_ns(), time.monotonic_ns())
        messages, order_ns = [], []
        for index, topic in enumerate(self._topics):
            begin = len(messages)
            for message, latency_ns in self._take(index, topic.subscription):
                self.lost += topic.missed(message.sequence)
                topic.received += 1
                if topic.memory is not None:
                    topic.memory.hear(message)
                if topic.stamps is not None and (
                    said := topic.stamps.follow(stamp_ns(message.data), message.log_time_ns)
                ):
                    self.stamp_problems.append((topic.subscription.topic_name, said))
                messages.append(message)
                is_of_our_clock = 0 <= latency_ns < _LONGEST_LATENCY_NS
                sent_ns = message.publish_time_ns - self.clock.moved_ns
                order_ns.append(sent_ns if is_of_our_clock else message.log_time_ns)
            if len(topic.publishers) == 1:
                # One that was held up on its way seems to be of another clock, but was sent before the next one.
                for row in range(len(messages) - 2, begin - 1, -1):
                    order_ns[row] = min(order_ns[row], order_ns[row + 1])
            if topic.memory is not None:
                topic.memory.listen(lambda asked, index=index: (told for told, _ in self._take(index, asked)))
        return [messages[index] for index in sorted(range(len(messages)), key=order_ns.__getitem__)]

    def latched_messages(self) -> list[RawMessage]:
        """What each publisher of a latched topic told last."""
        return [
            message
            for topic in self._topics
            if topic.memory is not None
            for message in topic.memory.messages(self._node.count_publishers(topic.subscription.topic_name))
        ]

    def look_for_publishers(self) -> None:
        """Subscribe again to what a publisher offers with less than was asked for. Call it about once a second."""
        for topic in self._topics:
            offered = [
                one for one in self._publishers_of(topic) if one.topic_type == topic.request.definition.type_name
            ]
            publishers = frozenset(bytes(publisher.endpoint_gid) for publisher in offered)
            if topic.memory is not None:
                topic.memory.refresh(len(publishers), publishers != topic.publishers)
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
                    f"{topic.subscription.topic_name} is offered as {reliability.short_key}, "
                    f"{durability.short_key} only"
                )
                self._node.destroy_subscription(topic.subscription)
                topic.subscription = self._subscribe(topic.request, reliability, durability)

    def absences(self, received_before: Sequence[int] | None = None) -> list[str]:
        """Why nothing comes on topics that an episode should not be without, a sentence each.

        Args:
            received_before: `received` at another moment: told are topics on which nothing came since. None: those that
                nobody publishes.
        """
        return [
            f"{topic.subscription.topic_name}: {why}"
            for index, topic in enumerate(self._topics)
            if not topic.request.is_optional
            and (received_before is None or topic.received == received_before[index])
            and (why := self._why_nothing_comes(topic, received_before is not None))
        ]

    def _why_nothing_comes(self, topic: _Topic, may_be_silent: bool) -> str:
        """Empty where there is a publisher, unless `may_be_silent` asks for more."""
        expected, everybody = topic.request.definition.type_name, self._publishers_of(topic)
        fitting = [one for one in everybody if one.topic_type == expected]
        if not fitting:
            if everybody:
                return f"it is published as {everybody[0].topic_type}, expected {expected}"
            others = [name for name, types in self._node.get_topic_names_and_types() if expected in types]
            published = [name for name in others if self._node.count_publishers(name)]
            of_that_type = f" ({expected} is published on {', '.join(published)})" if published else ""
            return f"nobody publishes it{of_that_type}"
        for one in fitting:
            fits, reason = qos_check_compatible(one.qos_profile, topic.subscription.qos_profile)
            if fits == QoSCompatibility.ERROR:
                return f"{one.node_name} offers another quality of service: {reason}"
        return f"{fitting[0].node_name} publishes it and sent nothing" if may_be_silent else ""

    def _publishers_of(self, topic: _Topic) -> list:
        return self._node.get_publishers_info_by_topic(topic.subscription.topic_name)

    def _take(self, index: int, subscription: Subscription) -> Iterator[tuple[RawMessage, int]]:
        """Messages that wait in a subscription, and how long each was under way [ns]."""
        handle, message_type = subscription.handle, subscription.msg_type
        with handle:
            while (taken := handle.take_message(message_type, True)) is not None:
                data, info = taken
                received_ns, sequence = info["received_timestamp"], info["publication_sequence_number"] or 0
                sent_ns = info["source_timestamp"] or received_ns
                log_time_ns = self.clock.time_ns(received_ns, time.monotonic_ns())
                yield RawMessage(index, log_time_ns, sent_ns, sequence, data), received_ns - sent_ns

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
            if topic.memory is not None:
                topic.memory.close()

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
