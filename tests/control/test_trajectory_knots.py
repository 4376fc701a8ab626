import numpy as np
import pytest

from spirl_ros.arms.joint_trajectory import JointTrajectory, TrajectoryFollower
from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.safety_filter import SafetyFilter
from spirl_ros.control.trajectory_knots import Knots, arrival_s, trajectory_knots

NAMES = ("a", "b")
LIMITS = JointLimits(NAMES, *(np.array([value, value]) for value in (-1.0, 1.0, 4.0, 10.0, 100.0)))
PERIOD_S = 0.1


def follow(knots: Knots, start_s: float, position: np.ndarray, velocity: np.ndarray) -> TrajectoryFollower:
    times_s, positions, velocities = (list(part) for part in knots)
    trajectory = JointTrajectory.from_points(NAMES, times_s, positions, velocities, NAMES)
    return TrajectoryFollower(trajectory, start_s, position, velocity)


def test_knot_is_the_middle_of_the_commands_and_each_joint_brakes_with_its_own_limit() -> None:
    # a: 2 rad/s at 10 rad/s² stops in 0.2 s over 0.2 m, b: 1 rad/s in 0.1 s over 0.05.
    knots = trajectory_knots(np.array([0.2, 0.5]), np.array([2.0, -1.0]), LIMITS, PERIOD_S)
    np.testing.assert_allclose(knots.times_s, [0.1, 0.2, 0.3])
    # After 0.1 s of braking a has 1 rad/s left and has gone 0.15.
    np.testing.assert_allclose(knots.positions, [[0.1, 0.55], [0.25, 0.5], [0.3, 0.5]])
    np.testing.assert_allclose(knots.velocities, [[2.0, -1.0], [1.0, 0.0], [0.0, 0.0]])


def test_command_at_rest_is_one_place() -> None:
    knots = trajectory_knots(np.array([0.2, 0.5]), np.zeros(2), LIMITS, PERIOD_S)
    np.testing.assert_array_equal(knots.positions, [[0.2, 0.5]])
    assert not knots.velocities.any()


def test_joints_that_stop_at_nearly_the_same_time_have_a_knot_each() -> None:
    """Knots less than 1 ms apart were merged, and the one joint braked by up to 3.5 % harder than reckoned with."""
    knots = trajectory_knots(np.zeros(2), np.array([1.0, 1.0001]), LIMITS, PERIOD_S)
    np.testing.assert_allclose(knots.times_s, [0.1, 0.2, 0.20001], rtol=0.0, atol=1.1e-9)
    np.testing.assert_allclose(knots.velocities[1:], [[0.0, 1e-4], [0.0, 0.0]], atol=1e-7)


def test_joints_that_stop_together_share_a_knot() -> None:
    knots = trajectory_knots(np.zeros(2), np.array([1.0, -1.0]), LIMITS, PERIOD_S)
    assert len(knots.times_s) == 2 and not knots.velocities[-1].any()


def test_arrival_time_is_that_of_the_first_knot_and_long_enough_for_the_way() -> None:
    knots = trajectory_knots(np.array([0.2, 0.5]), np.zeros(2), LIMITS, PERIOD_S, arrives_s=0.25)
    np.testing.assert_array_equal(knots.times_s, [0.25])
    # sqrt(12 · 0.05 / 10) for the acceleration; over 20 m it is the velocity: 1.5 · 20 / 4.
    assert arrival_s(np.array([0.05, -0.01]), LIMITS) == pytest.approx(0.2449, abs=1e-4)
    assert arrival_s(np.array([0.0, -1.0]), LIMITS) == pytest.approx(1.0954, abs=1e-4)
    assert arrival_s(np.array([20.0, 0.0]), LIMITS) == pytest.approx(7.5)


@pytest.mark.parametrize("seed", range(3))
def test_cubics_through_the_knots_of_wild_commands_stay_within_every_limit(seed: int) -> None:
    """An earlier version put the commands themselves there, and braked all joints together: the arm left its limits."""
    generator = np.random.default_rng(seed)
    safety = SafetyFilter(LIMITS, PERIOD_S, max_age_s=1.0)
    command = safety.activate(np.zeros(2))
    position, velocity = np.zeros(2), np.zeros(2)
    positions, velocities = [], []
    for step in range(200):
        wanted = generator.normal(scale=2.0, size=2) if step % 7 else None  # None: refused, so the arm brakes
        command = safety.filter(wanted, age_s=0.0)
        knots = trajectory_knots(command.joint_positions, command.joint_velocities, LIMITS, PERIOD_S)
        follower = follow(knots, 0.0, position, velocity)
        # Now and then nothing follows, and the arm goes on to rest; then this is a new beginning.
        is_left_alone = step % 50 == 49
        until_s = knots.times_s[-1] if is_left_alone else PERIOD_S
        samples = [follower.sample(t) for t in np.linspace(0.0, until_s * (1.0 - 1e-9), 13)[1:]]
        positions += [sample[0] for sample in samples]
        velocities += [sample[1] for sample in samples]
        accelerations = np.diff([velocity, *(sample[1] for sample in samples)], axis=0) / (until_s / 12)
        assert np.abs(accelerations).max() <= 10.0 * (1.0 + 1e-5)
        position, velocity = positions[-1], velocities[-1]
        if is_left_alone:
            np.testing.assert_allclose(velocity, 0.0, atol=1e-6)
            safety.activate(position)
            velocity = np.zeros(2)
    assert np.abs(positions).max() <= 1.0 + 1e-9
    assert np.abs(velocities).max() <= 4.0 * (1.0 + 1e-6)
    assert np.abs(velocities).max() > 3.0 and np.abs(positions).max() > 0.9  # it was wild


@pytest.mark.parametrize("missed", [1, 2, 30])
def test_after_missed_periods_the_filter_is_where_the_tail_has_brought_the_arm(missed: int) -> None:
    """Without it the next command asked the arm to make up for the time: 31 rad/s² where 4 were allowed."""
    safety = SafetyFilter(LIMITS, PERIOD_S, max_age_s=1.0)
    command = safety.activate(np.array([-0.9, 0.5]))
    for wanted in ([-0.8, 0.45], [-0.6, 0.37], [-0.35, 0.3]):  # up to 2.5 and 0.7 rad/s, at 10 rad/s²
        command = safety.filter(np.array(wanted), age_s=0.0)
    knots = trajectory_knots(command.joint_positions, command.joint_velocities, LIMITS, PERIOD_S)
    tail = follow(knots, 0.0, np.zeros(2), np.zeros(2))
    safety.miss(missed)
    position, velocity = tail.sample(PERIOD_S * (1 + missed))
    command = safety.filter(position + 0.5 * PERIOD_S * velocity + PERIOD_S * velocity, age_s=0.0)
    # It asked for the present velocity once more, and the knot is one period further from where the arm is.
    knots = trajectory_knots(command.joint_positions, command.joint_velocities, LIMITS, PERIOD_S)
    assert not command.interventions
    np.testing.assert_allclose(knots.velocities[0], velocity, atol=1e-9)
    np.testing.assert_allclose(knots.positions[0], position + PERIOD_S * velocity, atol=1e-9)
