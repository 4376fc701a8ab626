import numpy as np

from spirl_ros.control.velocity_action import VelocityAction, as_velocity_scale, problem_of_scale, slowed

MEANING = VelocityAction(np.array([-1.0, -1.0]), np.array([1.0, 0.5]), control_period_s=0.08, velocity_scale=2.0)


def test_action_leads_the_measured_position_by_one_period() -> None:
    # 0.5 x 2 rad/s x 0.08 s = 0.08 rad.
    np.testing.assert_allclose(MEANING.joint_command(np.array([0.5, -0.5]), np.array([0.1, 0.1])), [0.18, 0.02])


def test_action_is_clipped_before_the_limits_are() -> None:
    np.testing.assert_allclose(MEANING.joint_command(np.array([7.0, 7.0]), np.array([0.0, 0.45])), [0.16, 0.5])


def test_each_joint_may_have_a_scale_of_its_own() -> None:
    meaning = VelocityAction(-np.ones(2), np.ones(2), control_period_s=0.05, velocity_scale=(1.0, 0.04))
    # 0.05 s at 1 rad/s and at 0.04 m/s.
    command = meaning.joint_command(np.array([1.0, -0.5]), np.array([0.1, 0.02]))
    np.testing.assert_allclose(command, [0.15, 0.019])
    np.testing.assert_allclose(meaning.action(command, np.array([0.1, 0.02])), [1.0, -0.5])


def test_one_scale_for_all_is_one_number() -> None:
    assert as_velocity_scale([2.0, 2.0]) == 2.0 and as_velocity_scale([2.0, 1.0]) == (2.0, 1.0)
    assert slowed(2.0, 0.5) == 1.0 and slowed((2.0, 0.1), 0.5) == (1.0, 0.05)
    assert problem_of_scale((1.0, 0.5), 2) == problem_of_scale(2.0, 7) == ""
    assert problem_of_scale((1.0, 0.5), 3) == "has 2 values, expected one number, or one for each of 3 joints"
    for bad in (0.0, float("nan"), float("inf"), (1.0, -1.0)):
        assert "expected finite and more than 0" in problem_of_scale(bad, 2)
