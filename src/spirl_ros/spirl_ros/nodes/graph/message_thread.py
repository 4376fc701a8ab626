"""A thread that waits for the messages of a few topics and for nothing else."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription

from spirl_ros.nodes.graph.polled_topic import Unwaited

_STOP_CHECK_NS = 100_000_000
"""How long one wait lasts at most."""


@dataclass(frozen=True)
class Topic:
    """A topic to listen to."""

    message_type: type
    name: str
    on_message: Callable[..., None]
    """Called from the thread with the message."""
    qos: QoSProfile | int
    is_counted: bool = False
    """Whether it is also called with the publisher's own count of the message, None where the middleware has none."""


class MessageThread:
    """Calls back for every message, as rclpy's executor does, at a fraction of its cost.

    The executor builds a set of all the node's services, timers and events anew for each wait, a millisecond for each
    message. This one waits for its topics alone, with a set that is made once, as rclpy's `wait_for_message` does.
    """

    def __init__(self, node: Node, topics: list[Topic], on_error: Callable[[Exception], None]) -> None:
        """Subscribe; nothing is called before `start`.

        Args:
            node: owns the subscriptions.
            topics: what to listen to.
            on_error: called once from the thread when a callback raises; the thread then ends.
        """
        self._node, self._on_error = node, on_error
        self._topics = [(self._subscribe(topic), topic) for topic in topics]
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def topic_names(self) -> tuple[str, ...]:
        """Full names of the topics."""
        return tuple(subscription.topic_name for subscription, _ in self._topics)

    def start(self) -> None:
        """Begin to call. What arrived before is dropped, except the last message of a latched topic."""
        for subscription, _ in self._topics:
            if subscription.qos_profile.durability != subscription.qos_profile.durability.TRANSIENT_LOCAL:
                while self._take(subscription) is not None:
                    pass
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="messages", daemon=True)
        self._thread.start()

    def listen(self, duration_s: float, wait_s: float = 0.01) -> None:
        """Before `start`: call for what arrives within a time [s], from the caller's thread."""
        end_s = time.monotonic() + duration_s
        while time.monotonic() < end_s:
            self._call()
            time.sleep(wait_s)

    def stop(self) -> None:
        """End after the call under way and wait for it."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._thread = None

    def close(self) -> None:
        """Unsubscribe."""
        self.stop()
        for subscription, _ in self._topics:
            self._node.destroy_subscription(subscription)

    def _subscribe(self, topic: Topic) -> Subscription:
        return self._node.create_subscription(
            topic.message_type,
            topic.name,
            lambda _: None,
            topic.qos,
            callback_group=Unwaited(),
            # Events share the reader's wake-up with its messages: the executor would be woken for every message.
            event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
        )

    def _run(self) -> None:
        try:
            context = self._node.context.handle
            assert context is not None
            with context:
                wait_set = rclpy_implementation.WaitSet(len(self._topics), 0, 0, 0, 0, 0, context)
                while not self._stop.is_set() and self._node.context.ok():
                    wait_set.clear_entities()
                    for subscription, _ in self._topics:
                        wait_set.add_subscription(subscription.handle)
                    wait_set.wait(_STOP_CHECK_NS)
                    self._call()
        except Exception as error:  # A dead thread must stop its owner, whatever killed it.
            self._on_error(error)

    def _call(self) -> None:
        for subscription, topic in self._topics:
            while not self._stop.is_set() and (taken := self._take(subscription)) is not None:
                message, about = taken
                if topic.is_counted:
                    topic.on_message(message, about.get("publication_sequence_number"))
                else:
                    topic.on_message(message)

    @staticmethod
    def _take(subscription: Subscription) -> Any | None:
        with subscription.handle:
            return subscription.handle.take_message(subscription.msg_type, False)
