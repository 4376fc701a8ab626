import numpy as np
import pytest

from spirl_ros.arms.joint_trajectory import JointTrajectory
from spirl_ros.arms.stand_in_arm import StandInArm, StandInSettings
from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.safety_filter import SafetyFilter
from spirl_ros.control.trajectory_knots import OverlappingKnots, arrival_s, trajectory_knots

NAMES = ("a", "b")
LIMITS = JointLimits(NAMES, *(np.array([value, value]) for value in (-6.0, 6.0, 3.14, 4.0, 40.0)))
PERIOD_S = 0.05
UPDATES_S = (0.001, 0.002, 0.008)


def constant(_: int) -> float:
    return 0.5


def ramp(step: int) -> float:
    return 0.4 - 0.4 * float(np.cos(2.0 * np.pi * step / 25))


def reversal(step: int) -> float:
    return 0.5 if step // 12 % 2 == 0 else -0.5


def at_the_limits(step: int) -> float:
    return 3.14 if step // 25 % 2 == 0 else -3.14


def make_arm(update_s: float, begins_early: bool = True) -> StandInArm:
    """An arm behind one of today's controllers, which begin early, or behind another."""
    settings = StandInSettings(
        update_period_s=update_s,
        path_tolerance=0.0,
        acceleration_tolerance=1e9,
        servo_lag_s=0.0,
        begins_early=begins_early,
    )
    return StandInArm(LIMITS, np.zeros(2), settings)


def send(arm: StandInArm, at_s: float, start_ns: int, knots) -> None:
    """Hand a trajectory over at a time, for the arm's next update."""
    while arm.time_s + arm.settings.update_period_s < at_s:
        arm.advance(arm.time_s + arm.settings.update_period_s)
    trajectory = JointTrajectory.from_points(
        NAMES, list(knots.times_s), list(knots.positions), list(knots.velocities), NAMES
    )
    arm.command_trajectory(trajectory, start_ns * 1e-9)


def drive(
    motion, update_s: float, seed: int, *, latest_s: float = 0.0, held_up_s: float = 0.0, **settings
) -> tuple[float, float]:
    """Send a motion at 20 Hz, each command up to `latest_s` after it was due and 0 to 5 ms under way.

    One that comes when the arm brakes already is under way for `held_up_s` longer.

    Returns:
        Largest velocity, as a multiple of the largest that the filter let through, and largest acceleration, as a share
        of the limit, of the set-points.
    """
    generator = np.random.default_rng(seed)
    arm = make_arm(update_s, **settings)
    safety, path = SafetyFilter(LIMITS, PERIOD_S, max_age_s=1.0), OverlappingKnots(LIMITS, PERIOD_S, update_s)
    command, largest, begin_s = safety.activate(arm.desired), 0.0, 1.0 + generator.uniform(0.0, update_s)
    messages = []
    for step in range(100):
        due_s, late_s = begin_s + step * PERIOD_S, generator.uniform(0.0, latest_s)
        if step:
            braked_s = path.braked_s(round((due_s + late_s) * 1e9))
            if braked_s:
                safety.miss(braked_s / PERIOD_S)
            velocity = motion(step) if step < 80 else 0.0
            command = safety.filter(safety.joint_positions + PERIOD_S * velocity * np.array([1.0, -0.5]), age_s=0.0)
        else:
            braked_s = 0.0
        largest = max(largest, float(np.abs(command.joint_velocities).max()))
        start_ns, knots = path.next(
            command.joint_positions, command.joint_velocities, round(due_s * 1e9), late_s=late_s, braked_s=braked_s
        )
        under_way_s = generator.uniform(0.0, 0.005) + (held_up_s if braked_s else 0.0)
        messages.append((due_s + late_s + under_way_s, start_ns, knots))
    for at_s, start_ns, knots in messages:
        send(arm, at_s, start_ns, knots)
    arm.advance(arm.time_s + 1.0)
    np.testing.assert_allclose(arm.desired, command.joint_positions, atol=1e-9)
    assert not arm.fault
    velocity, acceleration = arm.peaks()
    return velocity * 3.14 / largest, acceleration


@pytest.mark.parametrize("update_s", UPDATES_S)
@pytest.mark.parametrize("motion", [constant, ramp, reversal, at_the_limits])
@pytest.mark.parametrize("begins_early", [True, False])
def test_set_point_keeps_to_what_the_filter_allowed_whenever_a_trajectory_arrives(
    motion, update_s, begins_early
) -> None:
    """Each trajectory cost one update of doubled velocity, 26 times the acceleration limit, on today's controllers."""
    for seed in range(2):
        velocity, acceleration = drive(motion, update_s, seed, begins_early=begins_early)
        assert velocity <= 1.0 + 1e-6
        assert acceleration <= 1.0 + 1e-4


@pytest.mark.parametrize("motion", [constant, ramp, reversal, at_the_limits])
@pytest.mark.parametrize("latest_s", [0.005, 0.02, 0.045])
@pytest.mark.parametrize("held_up_s", [0.0, 0.025])
def test_late_commands_cost_no_acceleration_and_their_delay_is_taken_back(motion, latest_s, held_up_s) -> None:
    """A command that was late by less than a period cost 6 to 34 times the acceleration limit; what held it up may
    do so for longer."""
    velocity, acceleration = drive(motion, 0.002, 0, latest_s=latest_s, held_up_s=held_up_s)
    assert velocity <= (1.0 + 1e-6 if latest_s <= 0.005 else 1.1)
    assert acceleration <= 1.0 + 1e-4


def test_next_trajectory_repeats_the_last_one_up_to_where_it_departs() -> None:
    """At 1 rad/s, one command each 50 ms. It departs 10 + 2 + 6 ms after the command: there the last one has its
    knot."""
    path = OverlappingKnots(LIMITS, PERIOD_S, 0.002)
    velocity = np.array([1.0, 0.0])
    path.next(np.zeros(2), np.zeros(2), 0)
    path.next(PERIOD_S * velocity, velocity, 50_000_000)
    start_ns, knots = path.next(2.0 * PERIOD_S * velocity, velocity, 100_000_000)
    times_s = start_ns * 1e-9 + knots.times_s
    np.testing.assert_allclose(times_s, [0.068, 0.118, 0.168, 0.418])
    np.testing.assert_allclose(knots.positions[:, 0], [0.0, 0.025, 0.075, 0.2])  # braking from 1 rad/s takes 1/8 rad
    np.testing.assert_allclose(knots.velocities[:, 0], [0.0, 1.0, 1.0, 0.0])
    assert path.braked_s(155_000_000) == 0.0
    assert path.braked_s(200_000_000) == pytest.approx(0.2 + 0.012 + 0.02 - 0.168)


def test_executor_that_dies_leaves_an_arm_that_brakes_within_its_limits() -> None:
    arm, path = make_arm(0.002), OverlappingKnots(LIMITS, PERIOD_S, 0.002)
    safety = SafetyFilter(LIMITS, PERIOD_S, max_age_s=1.0)
    command = safety.activate(arm.desired)
    for step in range(12):
        start_ns, knots = path.next(
            command.joint_positions, command.joint_velocities, round((1 + step * PERIOD_S) * 1e9)
        )
        send(arm, 1 + step * PERIOD_S + 0.003, start_ns, knots)
        command = safety.filter(safety.joint_positions + 1.0, age_s=0.0)
    speed = command.joint_velocities[0] - 0.2  # of the last one that was sent; 2 rad/s
    arm.advance(arm.time_s + 2.0)
    # 25 ms behind the command at that speed, and then to rest at 4 rad/s².
    expected = command.joint_positions[0] - PERIOD_S * command.joint_velocities[0] - 0.025 * speed + speed**2 / 8.0
    np.testing.assert_allclose(arm.desired, expected, atol=1e-9)
    velocity, acceleration = arm.peaks()
    assert velocity * 3.14 == pytest.approx(speed, rel=3e-3) and acceleration <= 1.0 + 1e-4


@pytest.mark.parametrize("update_s", UPDATES_S)
def test_arrival_moves_a_set_point_that_is_elsewhere_within_the_limits(update_s: float) -> None:
    """The first command of an arm that somebody else had moved was to be reached within one period: 14.6 rad/s."""
    elsewhere = np.array([0.05, -0.03])
    arm, path = make_arm(update_s), OverlappingKnots(LIMITS, PERIOD_S, update_s)
    path.next(np.full(2, 1.0), np.zeros(2), 0)  # a former motion, which counts no more
    arrives_s = arrival_s(elsewhere, LIMITS)
    assert arrives_s == pytest.approx(0.3873, abs=1e-4)
    start_ns, knots = path.next(elsewhere, np.zeros(2), 1_000_000_000, arrives_s=arrives_s)
    send(arm, 1.004, start_ns, knots)
    arm.advance(2.0)
    np.testing.assert_allclose(arm.desired, elsewhere, atol=1e-12)
    velocity, acceleration = arm.peaks()
    assert velocity <= 1.0 and 0.8 < acceleration <= 1.0
    # The same without the arm's clock.
    unstamped = make_arm(update_s)
    knots = trajectory_knots(elsewhere, np.zeros(2), LIMITS, PERIOD_S, arrives_s)
    unstamped.command_trajectory(JointTrajectory(*knots))
    unstamped.advance(1.0)
    np.testing.assert_allclose(unstamped.desired, elsewhere, atol=1e-12)
    assert 0.9 < unstamped.peaks()[1] <= 1.0
