import numpy as np
import pytest

from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.tracking import Tracking

PERIOD_S = 0.05
LIMITS = JointLimits(("shoulder", "elbow"), *(np.full(2, value) for value in (-6.0, 6.0, 2.0, 4.0, 40.0)))


def moving(has_braking_tail: bool = False) -> Tracking:
    """The shoulder at 1 rad/s for a second; the window of 0.25 s and two periods spans 0.35 rad of it."""
    tracking = Tracking(LIMITS, PERIOD_S, 0.04, has_braking_tail=has_braking_tail)
    tracking.begin(np.zeros(2), 0.0)
    for step in range(1, 21):
        tracking.sent(np.array([PERIOD_S * step, 0.0]), np.array([1.0, 0.0]), PERIOD_S * step)
    return tracking


def resting() -> Tracking:
    tracking = Tracking(LIMITS, PERIOD_S, 0.04, has_braking_tail=False)
    tracking.begin(np.zeros(2), 0.0)
    return tracking


def test_lag_is_no_fault_and_what_is_beyond_the_way_is() -> None:
    tracking = moving()
    for place in (0.62, 1.03):
        assert tracking.fault(np.array([place, 0.0]), 1.0) == ""
    assert tracking.fault(np.array([0.60, 0.0]), 1.0).startswith("shoulder is measured 0.050 from where it was sent")
    assert tracking.fault(np.array([1.05, 0.0]), 1.0).startswith("shoulder is measured 0.050")
    assert tracking.fault(np.array([1.0, -0.06]), 1.0).startswith("elbow is measured 0.060")


def test_arm_that_brakes_by_itself_may_go_on_by_its_braking_distance() -> None:
    """1 rad/s with 4 rad/s² is 0.125 rad."""
    assert moving(has_braking_tail=True).fault(np.array([1.16, 0.0]), 1.0) == ""
    assert moving(has_braking_tail=True).fault(np.array([1.17, 0.0]), 1.0) != ""


def test_arm_has_arrived_when_the_window_is_over() -> None:
    tracking = moving()
    behind = np.array([0.9, 0.0])
    assert tracking.fault(behind, 1.0) == "" and tracking.fault(behind, 1.3) != ""


@pytest.mark.parametrize(("way", "since_s", "leaps"), [(0.019, 0.0, False), (0.05, 0.002, True), (0.16, 0.05, False)])
def test_leap_is_more_than_a_joint_can_do_in_the_time(way: float, since_s: float, leaps: bool) -> None:
    """1.5 times 2 rad/s, and 0.02 rad of noise: 0.026 in 2 ms, 0.17 in 50 ms."""
    tracking = resting()
    assert tracking.leap(np.zeros(2), 1.0, 10**9) == ""
    told = tracking.leap(np.array([0.0, way]), 1.0 + since_s, 10**9 + round(since_s * 1e9))
    assert bool(told) == leaps and told.startswith("elbow leapt by" if leaps else "")


@pytest.mark.parametrize(
    ("shoulder", "elbow", "leaps"),
    [(0.09, 0.0, False), (0.1, 0.0, True), (-0.019, 0.0, False), (-0.021, 0.0, True), (0.05, 0.03, True)],
)
def test_leap_in_motion_is_more_than_what_was_commanded_lately(shoulder: float, elbow: float, leaps: bool) -> None:
    """1.5 times 1 rad/s forwards for 50 ms. States off by 0.05 rad after a gap of 10 ms were found only by chance."""
    tracking = moving()
    tracking.leap(np.zeros(2), 1.0, 10**9)
    assert bool(tracking.leap(np.array([shoulder, elbow]), 1.05, 1_050_000_000)) == leaps


def test_states_of_a_link_that_was_held_up_are_as_far_apart_as_they_were_measured() -> None:
    tracking = resting()
    tracking.leap(np.zeros(2), 1.0, 10**9)
    assert tracking.leap(np.array([0.0, 0.1]), 1.0, 10**9 + 50_000_000) == ""
    assert tracking.leap(np.zeros(2), 1.0, 10**9) == ""  # its time went back: the first of another time
