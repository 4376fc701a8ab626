import numpy as np

from spirl_ros.teleoperation.tracking import Tracking


def test_lag_is_no_deviation_and_what_is_beyond_the_way_is() -> None:
    """At 1 rad/s the last 0.3 s of set-points span 0.3 rad; 0.04 more are tolerated at either end."""
    tracking = Tracking(("shoulder", "elbow"))
    tracking.restart(np.zeros(2), 0.0)
    for step in range(1, 21):
        tracking.sent(np.array([0.05 * step, 0.0]), 0.05 * step)  # the last one is 1.0 at 1.0 s
    assert tracking.deviation(np.array([0.67, 0.0])) == "" == tracking.deviation(np.array([1.03, 0.0]))
    assert tracking.deviation(np.array([0.59, 0.0])).startswith("shoulder is 0.")
    assert tracking.deviation(np.array([1.0, -0.06])).startswith("elbow is 0.06 from where it was sent")


def test_arm_at_rest_has_arrived_after_a_moment() -> None:
    tracking = Tracking(("shoulder",))
    tracking.restart(np.zeros(1), 0.0)
    for step in range(1, 12):
        tracking.sent(np.array([0.1]), 0.04 * step)
        assert (tracking.deviation(np.zeros(1)) != "") == (step >= 9)  # 0.36 s: sent first at 0.04 s
