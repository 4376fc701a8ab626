"""In which order the recorder takes what came since it looked last, without ROS: node and subscriptions are fakes."""

import time
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("spirl_msgs")

from spirl_ros.nodes.graph.raw_subscriptions import RawSubscriptions, TopicRequest
from spirl_ros.recording.receive_clock import ReceiveClock

BEGIN_NS = time.time_ns() - 1_000_000_000


class Handle(nullcontext):
    """Messages that wait: number, when it was sent and when it was received [ms]."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[tuple[int, int, int]] = []

    def take_message(self, message_type: type, is_raw: bool) -> tuple[bytes, dict[str, int]] | None:
        if not self.waiting:
            return None
        number, sent_ms, received_ms = self.waiting.pop(0)
        times = {"source_timestamp": sent_ms, "received_timestamp": received_ms}
        in_ns = {name: BEGIN_NS + ms * 1_000_000 for name, ms in times.items()}
        return bytes([number]), {**in_ns, "publication_sequence_number": number}


@pytest.fixture
def topics() -> tuple[RawSubscriptions, list[Handle]]:
    handles: list[Handle] = []

    def create_subscription(message_type: type, name: str, *_: Any, **__: Any) -> Any:
        handles.append(Handle())
        return SimpleNamespace(topic_name=name, handle=handles[-1], msg_type=message_type)

    node: Any = SimpleNamespace(create_subscription=create_subscription)
    made = RawSubscriptions(node, [TopicRequest.parse(f"{name} std_msgs/msg/String") for name in ("a", "b")])
    # It looked last before all of that.
    made.clock = ReceiveClock(BEGIN_NS, time.monotonic_ns() - (time.time_ns() - BEGIN_NS))
    for topic in made._topics:
        topic.publishers = frozenset({b"its only one"})
    return made, handles


def fetched(topics: RawSubscriptions) -> list[int]:
    return [message.data[0] for message in topics.fetch()]


def test_topics_are_taken_in_the_order_that_their_messages_were_sent(topics) -> None:
    subscriptions, (first, second) = topics
    first.waiting = [(1, 0, 1), (3, 20, 21)]
    second.waiting = [(2, 10, 30), (4, 25, 31)]
    assert fetched(subscriptions) == [1, 2, 3, 4]


def test_message_that_was_held_up_comes_before_those_that_were_sent_after_it(topics) -> None:
    """One that came 0.1 s late was recorded behind four that had been sent after it."""
    subscriptions, (first, second) = topics
    first.waiting = [(1, 0, 1), (2, 5, 130), (3, 35, 131), (5, 60, 132)]
    second.waiting = [(4, 50, 51), (6, 70, 71)]
    assert fetched(subscriptions) == [1, 2, 3, 4, 5, 6]


def test_messages_of_another_clock_are_taken_in_the_order_that_they_came(topics) -> None:
    subscriptions, (first, second) = topics
    first.waiting = [(1, 9000, 1), (3, 9005, 20)]  # nine seconds ahead
    second.waiting = [(2, 9, 10), (4, 29, 30)]
    assert fetched(subscriptions) == [1, 2, 3, 4]
