import numpy as np
import pytest

from spirl_ros.arms.joint_trajectory import JointTrajectory
from spirl_ros.arms.stand_in_arm import FORWARD_POSITION, StandInArm, StandInSettings
from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.safety_filter import SafetyFilter
from spirl_ros.control.trajectory_knots import OverlappingKnots
from spirl_ros.errors import CommandError, ConfigError

JOINTS = ("shoulder", "elbow")
LIMITS = JointLimits(JOINTS, *(np.array([value, value]) for value in (-2.0, 2.0, 3.0, 10.0, 100.0)))


def make_arm(positions=(0.0, 0.0), **settings) -> StandInArm:
    return StandInArm(LIMITS, np.array(positions), StandInSettings(**settings))


def trajectory(*points, joint_names=JOINTS, **options) -> JointTrajectory:
    """Points are (time, positions, velocities)."""
    times, positions, velocities = zip(*points, strict=True)
    return JointTrajectory.from_points(joint_names, times, positions, velocities, JOINTS, **options)


def to(position: float, in_s: float = 1.0) -> JointTrajectory:
    return trajectory((in_s, (position, position), (0.0, 0.0)))


def test_joints_follow_the_set_points_one_lag_behind() -> None:
    # A ramp of 1 rad/s: after it has settled the joint is servo_lag_s x velocity behind, here 0.02 rad.
    arm = make_arm(may_end_in_motion=True)
    arm.command_trajectory(
        trajectory((0.5, (0.25, 0.0), (1.0, 0.0)), (1.5, (1.25, 0.0), (1.0, 0.0)), may_end_in_motion=True)
    )
    arm.advance(1.4)
    assert arm.desired[0] == pytest.approx(1.15)
    assert arm.desired[0] - arm.positions[0] == pytest.approx(0.02, abs=1e-3)
    assert arm.velocities[0] == pytest.approx(1.0, abs=0.01)  # it is asked between two set-points


def test_new_trajectory_replaces_the_old_one_at_once_and_goes_on_from_the_desired_state() -> None:
    arm = make_arm(begins_early=False)
    arm.command_trajectory(to(1.0))
    arm.advance(0.5)
    before, speed = arm.desired.copy(), arm.desired_velocities.copy()
    arm.command_trajectory(to(-0.5))
    arm.advance(0.502)
    np.testing.assert_allclose(arm.desired, before + 0.002 * speed, atol=1e-4)
    arm.advance(2.0)
    np.testing.assert_allclose(arm.positions, -0.5, atol=1e-6)
    assert arm.is_ready and not arm.hold_reason


def coasting(arm: StandInArm, velocity: float) -> JointTrajectory:
    """On from the set-point at a constant velocity for 0.1 s, and from there to rest."""
    at = arm.desired[0] + velocity * 0.1, arm.desired[1]
    return trajectory((0.1, at, (velocity, 0.0)), (0.2, (at[0] + 0.05 * velocity, at[1]), (0.0, 0.0)))


def steps_of(arm: StandInArm, count: int) -> list[float]:
    """Velocities of the first joint's set-point over its next updates."""
    velocities = []
    for _ in range(count):
        before = arm.desired[0]
        arm.advance(arm.time_s + arm.settings.update_period_s)
        velocities.append((arm.desired[0] - before) / arm.settings.update_period_s)
    return velocities


def arm_in_motion(velocity: float, **settings) -> StandInArm:
    arm = make_arm(acceleration_tolerance=1e3, path_tolerance=0.0, **settings)
    arm.command_trajectory(trajectory((0.2, (velocity * 0.1, 0.0), (velocity, 0.0)), (0.4, (0.1, 0.0), (0.0, 0.0))))
    arm.advance(0.2)
    return arm


@pytest.mark.parametrize(("begins_early", "first"), [(True, 2.0), (False, 1.0)])
def test_trajectory_that_arrives_in_motion_goes_twice_as_far_in_its_first_update(begins_early, first) -> None:
    """As the real controllers do (0.2125, 0.4227, 0.2242 rad/s); the stand-in did not, and so nobody saw it."""
    arm = arm_in_motion(0.2, begins_early=begins_early)
    assert arm.desired_velocities[0] == pytest.approx(0.2)
    arm.peaks()
    arm.command_trajectory(coasting(arm, 0.2))
    velocities = steps_of(arm, 3)
    assert velocities[0] == pytest.approx(first * 0.2, rel=0.01)
    np.testing.assert_allclose(velocities[1:], 0.2, rtol=0.03)
    # 0.2 rad/s more within 2 ms are 100 rad/s², of 10 allowed.
    assert arm.peaks()[1] == pytest.approx(10.0 if begins_early else 0.0, abs=0.5)


def test_speed_slider_slows_a_trajectory_but_not_its_first_update() -> None:
    """At 0.1 on the pendant that first update is twenty times as fast as the motion."""
    arm = arm_in_motion(0.2, begins_early=True)
    arm.speed_scaling = 0.1
    arm.command_trajectory(coasting(arm, 0.2))
    velocities = steps_of(arm, 3)
    assert velocities[0] == pytest.approx(0.4, rel=0.01)
    np.testing.assert_allclose(velocities[1:], 0.02, rtol=0.03)
    arm.speed_scaling = 0.0
    assert steps_of(arm, 3) == pytest.approx([0.0] * 3, abs=1e-9)


def test_servo_without_lag_is_where_it_was_sent_and_with_a_delay_where_it_was_sent_then() -> None:
    arm = make_arm(servo_lag_s=0.0)
    arm.command_trajectory(to(1.0))
    arm.advance(0.5)
    np.testing.assert_array_equal(arm.positions, arm.desired)
    assert arm.velocities[0] == pytest.approx(1.5, abs=0.01)
    late = make_arm(servo_lag_s=0.0, servo_delay_s=0.1)
    late.command_trajectory(to(1.0))
    late.advance(0.6)
    np.testing.assert_allclose(late.positions, arm.positions, atol=1e-12)
    with pytest.raises(ConfigError, match="servo_delay_s is -0.1"):
        StandInSettings(servo_delay_s=-0.1)


def test_without_interpolation_from_the_desired_state_a_stream_of_trajectories_jerks_the_arm() -> None:
    """What the parameter's documentation says it is needed for: the set-point falls back to the measured position."""
    arm = make_arm(interpolate_from_desired_state=False)
    arm.command_trajectory(to(1.0))
    arm.advance(0.5)
    arm.command_trajectory(to(1.0))
    arm.advance(0.6)
    assert "velocity limit" in arm.fault


def test_stamped_start_in_the_future_is_approached_from_now_on() -> None:
    # From 0 at 0 s to 1 at 1.5 + 0.5 s with zero velocity: half way at 1 s, for which the update before that sends it.
    arm = make_arm(begins_early=True)
    arm.command_trajectory(to(1.0, in_s=0.5), start_s=1.5)
    arm.advance(0.998)
    np.testing.assert_allclose(arm.desired, 0.5, atol=1e-9)


def test_stamped_end_in_the_past_is_refused_and_the_old_one_goes_on() -> None:
    arm = make_arm()
    arm.command_trajectory(to(1.0))
    arm.advance(0.6)
    with pytest.raises(CommandError, match="ends at 0.500 s"):
        arm.command_trajectory(to(-1.0, in_s=0.4), start_s=0.1)
    arm.advance(1.2)
    np.testing.assert_allclose(arm.desired, 1.0)


def test_first_point_at_time_zero_is_a_step_which_stops_the_arm_for_good() -> None:
    arm = make_arm()
    arm.command_trajectory(trajectory((0.0, (0.5, 0.0), (0.0, 0.0)), (1.0, (0.6, 0.0), (0.0, 0.0))))
    arm.advance(0.1)
    assert "velocity limit of shoulder" in arm.fault and not arm.is_ready
    assert not arm.velocities.any() and np.abs(arm.positions).max() < 0.01
    with pytest.raises(CommandError, match="has stopped"):
        arm.command_trajectory(to(0.1))
    arm.recover()
    arm.command_trajectory(to(0.1))
    arm.advance(2.0)
    np.testing.assert_allclose(arm.positions, 0.1, atol=1e-6)


def test_end_in_motion_is_refused_unless_allowed() -> None:
    with pytest.raises(CommandError, match="expected zero"):
        trajectory((1.0, (1.0, 1.0), (0.0, 1e-6)))
    trajectory((1.0, (1.0, 1.0), (0.0, 1e-8)))  # below the smallest step of a float32 at 1
    trajectory((1.0, (1.0, 1.0), (0.0, 1.0)), may_end_in_motion=True)


def test_path_tolerance_gives_the_trajectory_up_and_holds_the_measured_position() -> None:
    # A lag of 0.1 s at the top speed of 1.5 rad/s (1.5 x the mean) is more than 0.1 rad.
    arm = make_arm(servo_lag_s=0.1, path_tolerance=0.1)
    arm.command_trajectory(to(1.0))
    arm.advance(1.5)
    assert "from its set-point, tolerated are 0.100" in arm.hold_reason and arm.is_ready
    assert arm.positions[0] < 0.6
    held = arm.positions.copy()
    arm.advance(2.5)
    np.testing.assert_allclose(arm.positions, held, atol=1e-3)


@pytest.mark.parametrize("decelerates", [False, True])
def test_beyond_the_path_tolerance_the_set_point_jumps_and_only_the_standard_controller_ramps_from_there(
    decelerates: bool,
) -> None:
    """Our files promised a ramp for both; UR's controller steps to the measured position and stays there."""
    arm = make_arm(servo_lag_s=0.1, path_tolerance=0.1, decelerate_on_cancel=decelerates)
    arm.command_trajectory(to(1.0))
    before = arm.desired
    while not arm.hold_reason:
        before = arm.desired
        arm.advance(arm.time_s + 0.002)
    at, speed = arm.desired.copy(), arm.velocities[0]
    np.testing.assert_array_equal(at, arm.positions)
    assert before[0] - at[0] == pytest.approx(0.1, abs=0.005)  # in one update
    arm.advance(arm.time_s + 1.0)
    # 10 rad/s² bring 1 rad/s to rest within 0.05 rad.
    assert arm.desired[0] - at[0] == pytest.approx(speed**2 / 20.0 if decelerates else 0.0, abs=2e-4)
    assert speed > 0.5 and arm.is_ready


def test_position_set_points_are_taken_by_the_forward_controller_alone_and_nan_is_refused() -> None:
    arm = make_arm(controller=FORWARD_POSITION)
    arm.command_positions(np.array([0.02, -0.02]))
    arm.advance(0.5)
    np.testing.assert_allclose(arm.positions, [0.02, -0.02], atol=1e-6)
    for bad in (np.array([np.nan, 0.0]), np.zeros(3)):
        with pytest.raises(CommandError, match="expected 2 finite numbers"):
            arm.command_positions(bad)
    with pytest.raises(CommandError, match="not active"):
        arm.command_trajectory(to(0.1))
    with pytest.raises(CommandError, match="not active"):
        make_arm().command_positions(np.zeros(2))


def test_set_point_outside_the_range_stops_the_arm_for_good() -> None:
    arm = make_arm(positions=(1.9, 1.9))
    arm.command_trajectory(trajectory((1.0, (2.1, 1.9), (0.0, 0.0))))
    arm.advance(2.0)
    assert "position limit of shoulder" in arm.fault
    assert arm.positions[0] < 2.0 + 2e-3
    with pytest.raises(ConfigError, match="would begin at"):
        make_arm(positions=(2.1, 0.0))


@pytest.mark.parametrize("begins_early", [True, False])
@pytest.mark.parametrize("seed", range(2))
def test_wild_commands_through_the_safety_filter_never_break_a_limit(seed: int, begins_early: bool) -> None:
    """On controllers that begin a trajectory too early each message cost one update of doubled velocity."""
    arm = make_arm(acceleration_tolerance=1.0 + 1e-4, position_tolerance=1e-9, begins_early=begins_early)
    generator, period_s = np.random.default_rng(seed), 0.05
    safety, knots = SafetyFilter(LIMITS, period_s, max_age_s=1.0), OverlappingKnots(LIMITS, period_s, 0.002)
    command = safety.activate(arm.positions)
    for step in range(400):
        if step % 50 == 49:  # whoever commands is gone: the arm comes to rest by itself
            arm.advance(arm.time_s + 1.0)
            assert np.abs(arm.velocities).max() < 1e-6
            safety.activate(arm.desired)
        else:
            if step:  # the first command is where it stands
                command = safety.filter(generator.normal(scale=3.0, size=2), age_s=0.0)
            start_ns, parts = knots.next(command.joint_positions, command.joint_velocities, round(arm.time_s * 1e9))
            times_s, positions, velocities = (list(part) for part in parts)
            arm.command_trajectory(
                JointTrajectory.from_points(JOINTS, times_s, positions, velocities, JOINTS), start_ns * 1e-9
            )
            arm.advance(arm.time_s + period_s)
        assert not arm.fault
    velocity, acceleration = arm.peaks()
    assert 0.9 < velocity <= 1.0 + 1e-6 and 0.9 < acceleration <= 1.0 + 1e-4
