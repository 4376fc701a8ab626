"""Actions and joint targets through one safe arm, as training, teleoperation and the robot command it."""

from pathlib import Path

import numpy as np
import pytest

import spirl_ros
from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.safe_arm import SafeArm
from spirl_ros.control.safety_filter import FINITE, FRESH, SafetyState
from spirl_ros.control.velocity_action import CENTRE, COMMANDED, MEASURED, VelocityAction
from spirl_ros.errors import CommandError

PERIOD_S = 0.1
LIMITS = JointLimits(("a", "b"), *(np.array([value, value]) for value in (-1.0, 1.0, 4.0, 20.0, 100.0)))
BEGIN = np.array([0.1, -0.2])


def begun(**settings) -> SafeArm:
    arm = SafeArm(LIMITS, PERIOD_S, max_age_s=0.1, velocity_scale=2.0, **settings)
    arm.begin(BEGIN)
    return arm


def test_first_command_is_where_it_was_taken_over_and_reset_takes_it_over_again():
    arm = SafeArm(LIMITS, PERIOD_S, max_age_s=0.1)
    assert arm.last is None and not arm.is_moving
    np.testing.assert_array_equal(arm.begin(BEGIN).joint_positions, BEGIN)
    arm.brake_for("hand on the button", with_release=False)
    assert arm.is_at_rest_for_good
    np.testing.assert_array_equal(arm.reset(BEGIN + 0.3).joint_positions, BEGIN + 0.3)
    assert arm.last is not None and not arm.brake_reason and not arm.has_to_latch


def test_action_is_sent_as_it_is_meant_to_the_last_bit():
    meaning = VelocityAction(LIMITS.position_lower, LIMITS.position_upper, PERIOD_S, 2.0)
    measured = np.array([0.0012, -0.0034])
    # By way of the difference from what was commanded the last bits of such small positions would be lost.
    for action in np.random.default_rng(0).uniform(-0.01, 0.01, (20, 2)):
        for reference, led in ((MEASURED, measured), (COMMANDED, BEGIN)):
            command = begun(action_reference=reference).act(action, measured, age_s=0.0)
            np.testing.assert_array_equal(command.joint_positions, meaning.joint_command(action, led))
            assert command.state is SafetyState.PASSED


def test_action_that_leads_the_centre_is_the_command_itself_and_still_filtered():
    wide = JointLimits(("force",), *(np.array([value]) for value in (-1.0, 3.0, 40.0, 800.0, 16000.0)))
    arm = SafeArm(wide, PERIOD_S, max_age_s=0.1, velocity_scale=20.0, action_reference=CENTRE)
    arm.begin(np.array([1.0]))
    for action, command in ((0.5, 2.0), (-1.0, -1.0), (1.0, 3.0), (7.0, 3.0), (0.0, 1.0)):
        sent = arm.act(np.array([action]), np.array([9.9]), age_s=0.0)
        assert (sent.joint_positions[0], sent.state) == (command, SafetyState.PASSED)
    assert arm.act(np.array([np.nan]), np.array([1.0]), age_s=0.0).interventions == (FINITE,)


def test_way_of_an_action_is_divided_and_ends_with_braking_or_when_it_is_told_to():
    # 0.5 of 2 rad/s for four periods is 0.4 rad, 0.1 rad a command.
    arm = begun(commands_per_action=4, action_reference=COMMANDED)
    sent = [arm.act(np.array([0.5, 0.0]), BEGIN, 0.0)]
    while arm.is_on_its_way:
        sent.append(arm.go_on(0.0))
    np.testing.assert_allclose([command.joint_positions[0] for command in sent], [0.2, 0.3, 0.4, 0.5])
    for end in (arm.brake, arm.latch, arm.end_action, arm.forget):
        arm.begin(BEGIN)
        arm.act(np.array([0.1, 0.0]), BEGIN, 0.0)
        assert arm.is_on_its_way
        end()
        assert not arm.is_on_its_way


def test_no_target_and_old_data_hold_and_are_counted():
    arm = begun()
    assert arm.aim(None, age_s=0.0).interventions == (FINITE,)
    assert arm.act(np.array([0.1, 0.0]), BEGIN, age_s=0.2).interventions == (FRESH,)
    assert (arm.interventions, arm.interventions_since_begin) == (2, 2)
    arm.begin(BEGIN)
    arm.aim(BEGIN, age_s=0.0)
    assert (arm.interventions, arm.interventions_since_begin) == (2, 0)


def test_released_at_rest_it_takes_the_next_command_and_latched_it_does_not():
    for with_release in (True, False):
        arm = begun()
        arm.act(np.array([0.5, 0.0]), BEGIN, 0.0)
        arm.brake_for("enough", with_release=with_release)
        assert arm.has_to_latch is not with_release
        with pytest.raises(CommandError, match="still|moving"):
            arm.reset(BEGIN)
        while arm.brake().state is not SafetyState.LATCHED:
            pass
        arm.release()
        state = arm.act(np.array([0.1, 0.0]), arm.joint_positions, 0.0).state
        assert state is (SafetyState.PASSED if with_release else SafetyState.LATCHED)


def test_missed_period_before_it_was_taken_over_is_nothing():
    arm = SafeArm(LIMITS, PERIOD_S, max_age_s=0.1)
    arm.miss(1.0)
    assert arm.last is None


def test_nothing_else_in_the_package_holds_a_safety_filter():
    """The order from an action to a command was written five times, and twice without a filter."""
    package = Path(spirl_ros.__file__).parent
    holders = {str(file.relative_to(package)) for file in package.rglob("*.py") if "SafetyFilter(" in file.read_text()}
    assert holders == {"control/safe_arm.py"}
