import numpy as np

from spirl_ros.control.velocity_action import VelocityAction

MEANING = VelocityAction(np.array([-1.0, -1.0]), np.array([1.0, 0.5]), control_period_s=0.08)


def test_action_leads_the_measured_position_by_one_period() -> None:
    # 0.5 x 2 rad/s x 0.08 s = 0.08 rad.
    np.testing.assert_allclose(MEANING.joint_command(np.array([0.5, -0.5]), np.array([0.1, 0.1])), [0.18, 0.02])


def test_action_is_clipped_before_the_limits_are() -> None:
    np.testing.assert_allclose(MEANING.joint_command(np.array([7.0, 7.0]), np.array([0.0, 0.45])), [0.16, 0.5])
