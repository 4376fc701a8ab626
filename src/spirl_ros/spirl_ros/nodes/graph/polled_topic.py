"""A topic that is looked at when asked, so that messages nobody looks at cost next to nothing."""

from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSProfile


class Unwaited(CallbackGroup):
    """Keeps the executor from waiting for messages: waking up for each one is most of what receiving it costs."""

    def can_execute(self, entity) -> bool:
        """Whether the executor may call it: never."""
        return False


class PolledTopic:
    """A subscription without callback. Not thread-safe; used in the executor's thread."""

    def __init__(self, node: Node, message_type: type, topic: str, qos: QoSProfile | int) -> None:
        """Subscribe; the depth of `qos` says how many messages wait for the next look."""
        self._node = node
        self._subscription = node.create_subscription(
            message_type,
            topic,
            lambda _: None,
            qos,
            callback_group=Unwaited(),
            # Events share the reader's wake-up with its messages: waiting for one of them would be waiting for all.
            event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
        )
        self.published = 0
        """Number of the last message taken, as its publisher counts; 0 before the first."""

    @property
    def name(self) -> str:
        """Full name of the topic."""
        return self._subscription.topic_name

    def take_all(self) -> list[Any]:
        """What arrived since the last look, in the order it was sent."""
        messages, handle = [], self._subscription.handle
        with handle:
            while (taken := handle.take_message(self._subscription.msg_type, False)) is not None:
                message, info = taken
                self.published = info["publication_sequence_number"] or 0
                messages.append(message)
        return messages

    def take(self) -> Any | None:
        """The newest message that arrived since the last look, or None."""
        messages = self.take_all()
        return messages[-1] if messages else None

    def take_serialized(self) -> list[tuple[bytes, int]]:
        """What arrived since the last look, as it was sent: for who needs few of many.

        Each with its publisher's number.
        """
        messages, handle = [], self._subscription.handle
        with handle:
            while (taken := handle.take_message(self._subscription.msg_type, True)) is not None:
                content, info = taken
                messages.append((content, info["publication_sequence_number"] or 0))
        return messages

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)
