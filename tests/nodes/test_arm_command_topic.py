import pytest

pytest.importorskip("spirl_msgs")

from spirl_ros.nodes.executor.arm_command_topic import ArmClock

DAY_NS = 86_400_000_000_000


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
