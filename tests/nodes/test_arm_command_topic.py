from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("spirl_msgs")

from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.safety_filter import FilteredCommand, SafetyFilter, SafetyState
from spirl_ros.nodes.executor import arm_command_topic
from spirl_ros.nodes.executor.arm_command_topic import ArmClock, ArmCommandTopic

DAY_NS = 86_400_000_000_000
LIMITS = JointLimits(("a", "b"), *(np.array([value, value]) for value in (-1.0, 1.0, 4.0, 20.0, 100.0)))


def hear(clock: ArmClock, sent_s: float, after_s: float, ahead_s: float = 0.0) -> None:
    """A state that a clock stamped, which is ahead of this computer's by so much. The steady clock began a day
    later."""
    received_s = sent_s + after_s
    stamp_ns = DAY_NS + round((sent_s + ahead_s) * 1e9)
    clock.hear(stamp_ns, received_s, DAY_NS + round((received_s + 0.001) * 1e9), received_s + 0.001)


@pytest.mark.parametrize("ahead_s", [0.0, 0.02, -0.02])
def test_time_of_an_arm_is_that_of_the_state_that_came_quickest(ahead_s: float) -> None:
    clock = ArmClock(0.06)
    assert clock.ns(10.0) is None
    for i, after_s in enumerate((0.004, 0.0005, 0.009)):
        hear(clock, 10.0 + 0.01 * i, after_s, ahead_s)
    now_ns = clock.ns(10.03)
    assert now_ns is not None
    # It seems to be behind by the least time that a state was under way.
    assert (now_ns - DAY_NS) * 1e-9 == pytest.approx(10.03 + ahead_s - 0.0005, abs=1e-8)


def test_stamps_of_another_clock_are_no_time_of_the_arm() -> None:
    clock = ArmClock(0.06)
    hear(clock, 10.0, 0.001, ahead_s=0.1)
    assert clock.ns(10.01) is None and clock.silent_s(10.01) == 0.0


def test_states_that_were_held_up_are_old_and_change_nothing_about_the_time() -> None:
    """One that came 0.12 s late had its time forgotten, and the next command jolted the arm."""
    clock = ArmClock(0.06)
    hear(clock, 10.0, 0.001)
    before_ns = clock.ns(10.15)
    hear(clock, 10.01, 0.12)
    assert clock.silent_s(10.14) == pytest.approx(0.14 - 0.001)
    hear(clock, 10.1, 0.04)
    assert clock.silent_s(10.14) == pytest.approx(0.04 - 0.001)
    hear(clock, 10.14, 0.001)
    assert clock.silent_s(10.15) == pytest.approx(0.009)
    assert clock.ns(10.15) == before_ns


def test_time_of_an_arm_whose_clock_was_set_is_unknown_until_that_is_certain() -> None:
    clock = ArmClock(0.06)
    hear(clock, 10.0, 0.001)
    for i in range(1, 60):
        hear(clock, 10.0 + 0.01 * i, 0.001, ahead_s=-5.0)
        if i == 40:
            assert clock.silent_s(10.4) == pytest.approx(0.4 - 0.001)
    assert clock.ns(10.6) is None


class Topic:
    """Sends to a list, at a time that the test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **settings) -> None:
        self.messages: list = []
        self.now_s, self.is_slowed = 10.0, False
        publisher = SimpleNamespace(publish=self.messages.append, assert_liveliness=lambda: None)
        node: Any = SimpleNamespace(create_publisher=lambda *_: publisher)
        monkeypatch.setattr(arm_command_topic, "time", SimpleNamespace(monotonic=lambda: self.now_s))
        self.topic = ArmCommandTopic(
            node,
            LIMITS,
            0.1,
            controller="c",
            is_slowed=lambda: self.is_slowed,
            **{"takes_positions": False, **settings},
        )
        self.first = SafetyFilter(LIMITS, 0.1, 1.0).activate(np.array([0.1, -0.2]))

    def sent(self, command: FilteredCommand, after_s: float = 0.1) -> int:
        """How many messages that command makes, so much later."""
        self.now_s += after_s
        before = len(self.messages)
        self.topic.send(command)
        return len(self.messages) - before


def test_arm_on_its_way_to_a_place_is_not_sent_there_again(monkeypatch) -> None:
    topic = Topic(monkeypatch)
    on_its_way = topic.first._replace(arrives_s=0.35)
    assert [topic.sent(on_its_way) for _ in range(3)] == [1, 0, 0]
    elsewhere = on_its_way._replace(joint_positions=np.array([0.2, -0.2]))
    assert topic.sent(elsewhere) == 1
    assert topic.sent(elsewhere, after_s=0.4) == 1  # it has arrived since, and may be sent there anew


def test_command_counts_for_a_whole_period(monkeypatch) -> None:
    """The first one on the way to rest came up to a period early at deactivation, and the set-point leapt."""
    topic = Topic(monkeypatch, takes_positions=True)
    assert topic.topic.early_s == 0.0
    topic.sent(topic.first)
    topic.now_s += 0.03
    assert topic.topic.early_s == pytest.approx(0.07)
    topic.now_s += 0.1
    assert topic.topic.early_s == 0.0
    topic.sent(topic.first)
    topic.topic.forget()
    assert topic.topic.early_s == 0.0


def test_nothing_is_sent_to_an_arm_that_is_slowed_until_it_may_move_again(monkeypatch) -> None:
    topic = Topic(monkeypatch)
    topic.is_slowed = True
    assert topic.sent(topic.first) == 0
    topic.is_slowed = False
    assert topic.sent(topic.first._replace(state=SafetyState.BRAKING)) == 0  # it brakes by itself
    assert topic.sent(topic.first) == 1
    assert topic.sent(topic.first._replace(state=SafetyState.BRAKING)) == 1


def test_set_points_are_sent_each_time(monkeypatch) -> None:
    topic = Topic(monkeypatch, takes_positions=True)
    topic.is_slowed = True
    assert [topic.sent(topic.first._replace(arrives_s=0.35)) for _ in range(3)] == [1, 1, 1]


def test_last_command_is_sent_again_where_there_is_one(monkeypatch) -> None:
    topic = Topic(monkeypatch, takes_positions=True)
    topic.topic.send_again()
    assert topic.messages == []
    topic.sent(topic.first)
    topic.topic.send_again()
    assert len(topic.messages) == 2 and topic.messages[0] is topic.messages[1]
