"""Teleoperation of an arm that others move too, whose states are wrong, and whose commands come late; in process."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("spirl_msgs")
pytest.importorskip("mujoco")

from action_msgs.msg import GoalStatus, GoalStatusArray

from spirl_ros.control.safety_filter import SafetyState
from spirl_ros.nodes.executor import arm_command_topic
from tests.nodes.arm_in_process import AHEAD, STATE_PERIOD_S, Person

ELBOW = 2
LAGS_S = (0.02, 0.1)


def peaks(person: Person) -> float:
    return max(person.arm.peaks())


@pytest.mark.parametrize("lag_s", LAGS_S)
@pytest.mark.parametrize("name", ["ur5e", "fr3"])
def test_arm_is_moved_within_its_limits_and_lag_is_no_deviation(name: str, lag_s: float) -> None:
    person = Person(name, lag_s)
    person.take_over()
    before = person.arm.positions.copy()
    person.run(1.5, AHEAD)
    person.run(1.0, -AHEAD)
    person.run(1.0)
    assert np.abs(person.arm.positions - before).max() > 0.1
    assert person.steps.stop_reason == "" and peaks(person) < 1.05


@pytest.mark.parametrize("lag_s", LAGS_S)
@pytest.mark.parametrize("distance", [0.05, 0.1, -0.5])
def test_arm_that_others_moved_while_it_stood_is_let_go_and_taken_over_where_it_is(distance, lag_s) -> None:
    """It was commanded back by 0.1 rad within one period, at 3 rad/s and 100 times its acceleration limit."""
    person = Person("ur5e", lag_s)
    person.take_over()
    person.run(0.5, AHEAD)
    person.run(1.0)
    start, sent = person.arm.positions[ELBOW], person.sent
    person.move_by_others(ELBOW, distance)
    person.run(1.5)
    person.run(0.5, AHEAD)
    assert person.steps.state is SafetyState.LATCHED and person.sent == sent
    assert "the arm is stopped: elbow_joint is measured 0.0" in person.log_text
    assert (
        "from where it was sent, expected at most 0.040: something holds the arm, moves it too, or measures it wrongly"
        in person.log_text
    )
    assert person.arm.positions[ELBOW] - start == pytest.approx(distance, abs=1e-3)
    released_at = person.arm.positions.copy()
    person.release()
    person.run(1.0)
    np.testing.assert_allclose(person.arm.positions, released_at, atol=1e-3)
    person.run(1.0, AHEAD)
    assert person.steps.state is SafetyState.PASSED
    assert np.abs(person.arm.positions - released_at).max() > 0.05
    person.run(1.0)
    assert peaks(person) < 1.05


@pytest.mark.parametrize("lag_s", LAGS_S)
@pytest.mark.parametrize("distance", [0.005, -0.03])
def test_arm_that_others_moved_a_little_is_taken_over_there_when_somebody_asks_for_motion(distance, lag_s) -> None:
    """From 0.05 rad away its set-point went back at 30 times the acceleration limit, from 0.005 at 3 times."""
    person = Person("ur5e", lag_s)
    person.take_over()
    person.run(0.5, AHEAD)
    person.run(1.0)
    sent = person.sent
    person.move_by_others(ELBOW, distance)
    person.run(0.6)
    person.run(0.1, AHEAD)  # while the arm is on its way
    person.run(1.0)
    if abs(distance) > 0.01:  # What is as slow as the other counts as standing.
        assert person.sent == sent
    moved = person.arm.positions.copy()
    person.run(1.0, AHEAD)
    assert person.steps.state is SafetyState.PASSED
    assert "taken over where it stands" in person.log_text
    assert np.abs(person.arm.positions - moved).max() > 0.05
    assert peaks(person) < 1.05


@pytest.mark.parametrize("is_heard", [False, True])
@pytest.mark.parametrize("lag_s", LAGS_S)
@pytest.mark.parametrize("distance", [0.05, 0.5])
def test_arm_that_is_being_moved_is_not_pulled_away_from_whoever_moves_it(distance, lag_s, is_heard) -> None:
    person = Person("ur5e", lag_s)
    person.take_over()
    start = person.arm.positions[ELBOW]
    person.move_by_others(ELBOW, distance, is_heard=is_heard)
    person.run(0.0 if is_heard else 0.5)
    person.run(2.5, AHEAD)
    assert person.steps.state is SafetyState.LATCHED
    assert person.arm.positions[ELBOW] - start == pytest.approx(distance, abs=1e-3)
    assert peaks(person) < 1.05


@pytest.mark.parametrize("lag_s", LAGS_S)
def test_who_commands_the_arm_while_it_moves_gets_it(lag_s: float) -> None:
    """Both pulled at it, with 4 to 8 times the acceleration limit."""
    person = Person("ur5e", lag_s)
    person.take_over()
    person.run(0.6, AHEAD)
    goal = person.arm.desired[ELBOW] + 0.2
    person.move_by_others(ELBOW, 0.2, is_heard=True)
    person.run(2.0, AHEAD)
    assert person.steps.stop_reason == "move_group commands the arm on /c/joint_trajectory"
    assert person.arm.positions[ELBOW] == pytest.approx(goal, abs=1e-3)
    assert peaks(person) < 1.05


def test_goal_of_the_controllers_action_is_somebody_elses_motion() -> None:
    person = Person()
    goals = person.node.subscriptions["c/follow_joint_trajectory/_action/status"]
    goals.put(GoalStatusArray(status_list=[GoalStatus(status=GoalStatus.STATUS_EXECUTING)]))
    person.run(1.0)
    assert not person.steps.has_begun
    assert person.pace.waits_for == "a goal of /c/follow_joint_trajectory moves the arm"
    goals.put(GoalStatusArray(status_list=[GoalStatus(status=GoalStatus.STATUS_SUCCEEDED)]))
    person.take_over()
    person.run(0.5, AHEAD)
    goals.put(GoalStatusArray(status_list=[GoalStatus(status=GoalStatus.STATUS_ACCEPTED)]))
    sent = person.sent
    person.run(1.0, AHEAD)
    assert person.steps.state is SafetyState.LATCHED and person.sent == sent
    assert person.pace.why_latched() == "a goal of /c/follow_joint_trajectory moves the arm"
    assert peaks(person) < 1.05


@pytest.mark.parametrize("lag_s", LAGS_S)
@pytest.mark.parametrize("offset", [0.05, -0.5])
@pytest.mark.parametrize("is_in_motion", [False, True])
def test_states_that_are_off_by_a_constant_stop_the_arm_where_it_is(is_in_motion, offset, lag_s) -> None:
    person = Person("ur5e", lag_s)
    person.take_over()
    person.run(0.6, AHEAD)
    if not is_in_motion:
        person.run(1.0)
    person.offset[ELBOW] = offset
    person.run(1.0, AHEAD)
    assert person.steps.state is SafetyState.LATCHED and "elbow_joint" in person.steps.stop_reason
    assert not person.arm.velocities.any() or np.abs(person.arm.velocities).max() < 1e-3
    # Whoever releases the latch believes the states. The arm then goes to where they say that it is, in its own time.
    person.release()
    person.run(1.5)
    assert peaks(person) < 1.05


@pytest.mark.parametrize("takes_positions", [False, True])
def test_one_state_that_leaps_stops_the_arm(takes_positions: bool) -> None:
    person = Person(takes_positions=takes_positions)
    person.take_over()
    person.run(0.6, AHEAD)
    person.offset[ELBOW] = 1.0
    person.run(0.01, AHEAD)
    person.offset[ELBOW] = 0.0
    person.run(1.0, AHEAD)
    assert person.steps.state is SafetyState.LATCHED
    assert "elbow_joint was measured 1.0" in person.steps.stop_reason
    assert np.abs(person.arm.velocities).max() < 1e-6
    person.release()
    person.run(1.0, AHEAD)
    assert person.steps.state is SafetyState.PASSED


def test_second_publisher_of_the_arms_joints_is_named_and_stops_it() -> None:
    person = Person()
    person.take_over()
    person.node.state_publishers = ["joint_state_broadcaster", "fake_states"]
    beside = lambda: person.publish("other", person.arm.joint_names, person.arm.positions)  # noqa: E731
    person.run(0.5, AHEAD, beside)
    named = "two publishers send this arm's joints on /joint_states, of /fake_states, /joint_state_broadcaster"
    assert named in person.steps.stop_reason and person.steps.state is SafetyState.LATCHED
    assert named in person.pace.why_latched()
    person.run(1.5)
    assert person.pace.why_latched() == ""
    another = Person()
    another.run(2.0, beside=lambda: another.publish("other", another.arm.joint_names, another.arm.positions))
    assert not another.steps.has_begun and "two publishers" in another.pace.waits_for


def test_driver_that_was_started_again_is_no_second_publisher() -> None:
    person = Person()
    person.take_over()
    person.numbers["driver"] = 0
    person.run(1.0, AHEAD)
    assert person.steps.state is SafetyState.PASSED and person.pace.conflict == ""


def test_gripper_on_the_arms_topic_is_not_looked_at() -> None:
    """500 of its states a second latched the arm after 6 s."""
    person = Person()

    def gripper() -> None:
        for _ in range(20):
            person.publish("gripper", ["finger_joint"], [0.4])

    person.run(1.5, beside=gripper)
    person.run(2.0, AHEAD, gripper)
    assert person.steps.state is SafetyState.PASSED and person.steps.has_begun
    assert np.abs(person.arm.velocities).max() > 0.05
    assert not [line for line in person.node.log if "ignored" in line or "stopped" in line]


@pytest.mark.parametrize("speed", [0.3, 2.0])
@pytest.mark.parametrize("late_s", [0.01, 0.02, 0.03, 0.04, 0.07, 0.12])
def test_command_that_comes_late_goes_on_from_where_the_arm_has_braked_to(late_s: float, speed: float) -> None:
    """Late by 40 ms of 50 it took 6 to 21 times the acceleration limit."""
    person = Person()
    person.take_over()
    person.teleoperation.speed_scale = speed
    person.run(0.5, AHEAD)
    for _ in range(3):
        person.late_s = late_s
        person.run(0.3, AHEAD)
    person.run(0.2)
    person.late_s = late_s
    person.run(1.0)
    assert person.steps.state is SafetyState.PASSED
    assert peaks(person) < 1.05
    assert person.pace.missed_steps == 4 * int(late_s / 0.05)


def test_arm_that_only_we_listen_for_is_not_taken_over() -> None:
    person = Person()
    person.node.publishers[person.command_topic].listeners = 1
    person.run(1.0)
    assert not person.steps.has_begun and "nobody listens to /c/joint_trajectory" in person.pace.waits_for
    person.node.publishers[person.command_topic].listeners = 2
    person.take_over()


def test_arm_that_moves_is_taken_over_once_it_stands() -> None:
    person = Person()
    person.move_by_others(ELBOW, 0.5, duration_s=2.0)
    person.run(1.5)
    assert not person.steps.has_begun and "does not stand still" in person.pace.waits_for
    person.run(2.5)
    assert person.steps.has_begun and person.steps.state is SafetyState.PASSED
    assert peaks(person) < 1.05


def test_stop_brakes_within_the_limits_and_stays_until_the_latch_is_released() -> None:
    person = Person()
    person.steps.stop("stopped before there was an arm")
    person.run(1.5, AHEAD)
    assert person.steps.state is SafetyState.LATCHED and not person.arm.velocities.any()
    person.release()
    person.run(1.5, AHEAD)
    assert np.abs(person.arm.velocities).max() > 0.05
    person.steps.stop("stopped")
    person.run(1.5, AHEAD)
    assert person.steps.state is SafetyState.LATCHED and np.abs(person.arm.velocities).max() < 1e-6
    assert peaks(person) < 1.05


@pytest.fixture
def person_with_stamps(monkeypatch) -> Person:
    person = Person(stamps_within_s=0.06)
    monkeypatch.setattr(arm_command_topic, "time", SimpleNamespace(monotonic=lambda: person.node.time_s))
    return person


@pytest.mark.parametrize("silence_s", [0.04, 0.05, 0.06, 0.08, 0.1])
def test_arm_whose_states_are_held_up_brakes_by_itself_and_goes_on(person_with_stamps, silence_s: float) -> None:
    """It was sent a command without a time after 30 ms, which jolted it by 50 times its acceleration limit."""
    person = person_with_stamps
    person.take_over()
    person.run(0.6, AHEAD)
    for _ in range(10):
        person.silent_until_s = person.node.time_s + silence_s
        person.run(0.29, AHEAD)
    assert person.steps.state <= SafetyState.LIMITED and person.steps.stop_reason == ""
    assert np.abs(person.arm.velocities).max() > 0.05
    assert peaks(person) < 1.05


def test_arm_that_says_nothing_for_long_is_let_go(person_with_stamps) -> None:
    person = person_with_stamps
    person.take_over()
    person.run(0.6, AHEAD)
    person.silent_until_s = person.node.time_s + 1.0
    person.run(1.2, AHEAD)
    assert person.steps.state is SafetyState.LATCHED and "no joint state for 0." in person.steps.stop_reason
    assert np.abs(person.arm.velocities).max() < 1e-3
    person.release()
    person.run(1.0)
    person.run(0.6, AHEAD)
    assert np.abs(person.arm.velocities).max() > 0.05
    assert peaks(person) < 1.05


@pytest.mark.parametrize("takes_positions", [False, True])
def test_who_quits_in_motion_brings_the_arm_to_rest_within_its_limits(takes_positions: bool) -> None:
    person = Person(takes_positions=takes_positions)
    person.take_over()
    person.run(1.0, AHEAD)
    assert np.abs(person.arm.velocities).max() > 0.05 and person.steps.state is not SafetyState.LATCHED
    sent = person.sent

    def wait() -> None:
        """Until the next period, in which nothing else is done."""
        person.node.time_s = person.node.due_s
        person.node.due_s += person.node.period_s
        person.arm.advance(person.node.time_s)

    wait()
    person.steps.brake_to_rest(wait)
    assert person.sent > sent and person.steps.state is SafetyState.LATCHED
    for _ in range(10):
        wait()
    assert np.abs(person.arm.velocities).max() < 1e-3 and person.arm.is_ready
    assert peaks(person) < 1.05


def test_step_that_waited_for_a_state_is_made_when_it_comes(person_with_stamps) -> None:
    """Not at the next period: until then the arm would brake on."""
    person = person_with_stamps
    person.take_over()
    person.run(0.6, AHEAD)
    person.silent_until_s = back_s = person.node.time_s + 0.08
    sent, sent_at = person.sent, []

    def note() -> None:
        if person.sent > sent and not sent_at:
            sent_at.append(person.node.time_s)

    person.run(0.03, AHEAD, beside=note)
    sent, sent_at = person.sent, []
    person.run(0.2, AHEAD, beside=note)
    assert back_s < sent_at[0] <= back_s + 3.0 * STATE_PERIOD_S


def test_arm_that_is_held_for_want_of_states_is_told_once() -> None:
    person = Person()
    person.take_over()
    for _ in range(2):
        person.steps.without_measurement(0.2)
    assert person.steps.state is SafetyState.HOLDING
    assert [line for line in person.node.log if "HOLDING" in line] == ["HOLDING: no joint state for 0.20 s"]


def test_arm_that_takes_set_points_keeps_its_latch_where_it_is_not_where_it_was_sent() -> None:
    person = Person(takes_positions=True)
    person.take_over()
    person.offset[ELBOW] = 0.3
    person.run(1.0)
    assert person.steps.state is SafetyState.LATCHED
    assert "elbow_joint is measured 0.300 from where it was sent" in person.pace.why_latched()
    person.offset[ELBOW] = 0.0
    person.run(1.0)
    assert person.pace.why_latched() == ""
    person.release()
    person.run(1.0, AHEAD)
    assert person.steps.state <= SafetyState.LIMITED and np.abs(person.arm.velocities).max() > 0.05


def test_state_from_the_past_is_not_taken_while_the_arm_moves_and_is_before_it_was_taken_over() -> None:
    """A driver that was started again may have another clock; in motion it is a fault."""
    person = Person()
    person.run(0.1)
    before_s, person.node.time_s = person.node.time_s, person.node.time_s - 0.05
    person.publish("driver", person.arm.joint_names, person.arm.positions)
    person.pace.watch()
    assert person.node.log == []
    person.node.time_s = before_s
    person.take_over()
    person.run(0.5, AHEAD)
    person.node.time_s -= 0.05
    person.publish("driver", person.arm.joint_names, person.arm.positions)
    person.pace.watch()
    assert "while the arm is busy" in person.node.log[-1]
