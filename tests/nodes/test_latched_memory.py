"""Which messages a recording begins with, without DDS: publishers answer by hand."""

import pytest

pytest.importorskip("rclpy", reason="node tests need rclpy and spirl_msgs: make setup")

from spirl_ros.nodes.graph.latched_memory import LatchedMemory
from spirl_ros.recording.bag_writer import RawMessage


def said(publisher: str, number: int) -> RawMessage:
    """A publisher's message of a number, as it counts."""
    return RawMessage(0, number, number, number, publisher.encode())


class Memory(LatchedMemory):
    """One whose publishers are given."""

    def __init__(self) -> None:
        super().__init__(self, object)  # type: ignore[arg-type]

    def destroy_subscription(self, subscription) -> None:
        """Nothing is subscribed to."""

    def ask(self, publishers: int, answers=(), have_changed: bool = False) -> None:
        """Two ticks: one that asks, one that takes what was answered."""
        self.refresh(publishers, have_changed)
        self.listen(lambda _: iter(answers))
        self.refresh(publishers, False)

    def texts(self, publishers: int = 2) -> list[str]:
        return [f"{message.data.decode()}{message.sequence}" for message in self.messages(publishers)]


def test_last_message_of_an_only_publisher_is_all_at_any_moment() -> None:
    """A status that is sent every control step came with those of the last second, whose joint states were not
    there."""
    memory = Memory()
    for number in range(1, 10):
        memory.hear(said("a", number))
        assert memory.texts(1) == [f"a{number}"]
    memory.ask(1, [said("a", 9)], have_changed=True)
    for number in range(10, 20):
        memory.hear(said("a", number))
        assert memory.texts(1) == memory.texts(2) == [f"a{number}"]


def test_each_publisher_is_followed_by_its_count() -> None:
    memory = Memory()
    memory.hear(said("a", 1))
    memory.hear(said("b", 1))
    memory.ask(2, [said("a", 1), said("b", 1)], have_changed=True)
    assert memory.texts() == ["a1", "b1"]
    memory.hear(said("a", 2))  # whose is it? both counted to 1
    assert memory.texts() == ["a1", "b1", "a2"]
    memory.ask(2, [said("b", 1), said("a", 2)])
    for number in range(3, 9):
        memory.hear(said("a", number))
        assert memory.texts() == ["b1", f"a{number}"]


def test_message_that_comes_while_publishers_answer_is_the_last_one() -> None:
    memory = Memory()
    memory.hear(said("a", 5))
    memory.hear(said("b", 6))
    memory.refresh(2, True)
    memory.listen(lambda _: iter([said("a", 5), said("b", 6), said("a", 6)]))
    memory.hear(said("a", 6))
    memory.refresh(2, False)
    assert memory.texts() == ["b6", "a6"]


def test_what_left_is_forgotten_and_what_never_answers_is_kept() -> None:
    memory = Memory()
    memory.hear(said("a", 1))
    memory.hear(said("b", 1))
    memory.ask(2, [said("a", 1), said("b", 1)], have_changed=True)
    memory.ask(1, [said("a", 1)], have_changed=True)
    assert memory.texts() == ["a1"]
    volatile = Memory()
    volatile.hear(said("a", 1))
    volatile.ask(1, have_changed=True)
    assert volatile.texts(1) == volatile.texts(0) == ["a1"]
