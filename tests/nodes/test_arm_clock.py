import pytest

pytest.importorskip("spirl_msgs")

from spirl_ros.nodes.arm_clock import ArmClock

DAY_NS = 86_400_000_000_000


def hear(clock: ArmClock, sent_s: float, after_s: float, ahead_s: float = 0.0) -> None:
    """A state that a clock stamped, which is ahead of this computer's by so much. The steady clock began a day later."""
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


def test_stamps_of_another_clock_are_no_time_and_neither_are_those_of_a_driver_that_is_held_up() -> None:
    """Commands that bear a time and arrive much too late make the arm leap: 0.4 rad in one update."""
    other = ArmClock(0.06)
    hear(other, 10.0, 0.001, ahead_s=0.1)
    assert other.ns(10.01) is None
    held_up = ArmClock(0.06)
    hear(held_up, 10.0, 0.001)
    assert held_up.ns(10.03) is not None
    assert held_up.ns(10.04) is None
    hear(held_up, 10.05, 0.001)
    assert held_up.ns(10.06) is not None
