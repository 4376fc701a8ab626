"""What an arm cannot have done is refused with the reason; what only looks like that is unwrapped."""

from dataclasses import replace

import numpy as np
import pytest

from spirl_ros.arms.robot_configuration import RobotConfiguration, read_robot
from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.demonstrations.possible_motion import possible_positions, require_speed
from spirl_ros.errors import DatasetError

TIMES_S = np.arange(0.0, 2.0, 0.01)


def arm(continuous: tuple[str, ...] = ()) -> RobotConfiguration:
    """A joint of ±6 rad and 3 rad/s, and a finger of 0.04 m and 0.05 m/s; 20 Hz, an action of 1 is 1 rad/s and 0.05
    m/s."""
    limits = JointLimits(
        ("wrist", "finger"),
        position_lower=np.array([-6.0, 0.0]),
        position_upper=np.array([6.0, 0.04]),
        velocity=np.array([3.0, 0.05]),
        acceleration=np.array([4.0, 0.5]),
        jerk=np.array([40.0, 5.0]),
    )
    return replace(
        read_robot("ur5e"),
        limits=limits,
        home=np.array([0.0, 0.02]),
        velocity_scale=(1.0, 0.05),
        continuous=continuous,
        slides=("finger",),
    )


def motion(wrist: np.ndarray, finger: np.ndarray | float = 0.02) -> np.ndarray:
    return np.stack([wrist, np.broadcast_to(finger, wrist.shape)], axis=1)


def wrapped(angles: np.ndarray) -> np.ndarray:
    """Within ±π, as many drivers report."""
    return (angles + np.pi) % (2.0 * np.pi) - np.pi


@pytest.mark.parametrize("speed", [0.5, -0.5])
def test_joint_that_turns_without_end_is_unwrapped(speed: float) -> None:
    """Passing π was a leap of 6.28 rad, which no action describes."""
    turned = np.sign(speed) * 2.9 + speed * TIMES_S
    found = possible_positions(TIMES_S, motion(wrapped(turned)), arm(("wrist",)))
    np.testing.assert_allclose(found[:, 0], turned, atol=1e-12)
    assert abs(found[-1, 0]) > 3.8


def test_leap_of_a_whole_turn_says_that_the_joint_may_turn_without_end() -> None:
    with pytest.raises(
        DatasetError, match=r"wrist leaps from 3\.1.* to -3\.1.* rad, 0\.490 s after .*`continuous: true`"
    ):
        possible_positions(TIMES_S, motion(wrapped(2.9 + 0.5 * TIMES_S)), arm())


def test_other_leaps_are_refused_also_of_joints_that_turn_without_end() -> None:
    """The advice was to raise velocity_scale, and following it imported the leap."""
    leaping = motion(np.where(TIMES_S < 1.0, 0.0, 1.5))
    for continuous in ((), ("wrist",)):
        with pytest.raises(DatasetError, match=r"wrist leaps from 0.000 to 1.500 rad, 1.000 s .*velocity is 3 rad/s"):
            possible_positions(TIMES_S, leaping, arm(continuous))


@pytest.mark.parametrize(
    ("positions", "told"),
    [
        (motion(90.0 + 0.1 * TIMES_S), r"wrist is at 90.2 rad, 1.990 s .*outside -6 to 6, .*degrees or percent"),
        (motion(0.0 * TIMES_S, 20.0), r"finger is at 20 m, 0.000 s .*outside 0 to 0.04, .*mm or percent"),
        (motion(0.0 * TIMES_S, 0.043), r"finger is at 0.043 m"),
    ],
)
def test_positions_outside_the_range_are_refused(positions: np.ndarray, told: str) -> None:
    """Slow recordings in degrees were imported."""
    with pytest.raises(DatasetError, match=told):
        possible_positions(TIMES_S, positions, arm())


def test_joint_that_turns_without_end_is_told_that_its_range_counts_turns() -> None:
    with pytest.raises(DatasetError, match="wrist is at 6.89 rad, .*its range counts whole turns"):
        possible_positions(TIMES_S, motion(wrapped(2.91 + 2.0 * TIMES_S)), arm(("wrist",)))


def test_a_little_noise_at_the_end_of_the_range_is_taken() -> None:
    possible_positions(TIMES_S, motion(6.0 + 0.01 * np.sin(TIMES_S), 0.0401), arm())


@pytest.mark.parametrize(
    ("wrist", "finger", "told"),
    [
        # 2 rad/s are within its 3 rad/s.
        (2.0 * TIMES_S, 0.02, r"wrist moves at 2 rad/s .*velocity_scale 1\. Move .*raise .*at most its velocity of 3"),
        # 0.2 rad in 10 ms are not a motion, though 0.2 rad in a control step of 0.05 s would be 4 rad/s.
        (np.where(TIMES_S < 1.0, 0.0, 0.1), 0.02, r"wrist moves at 2 rad/s .*0.1 rad in 10.0 ms, which it cannot"),
        (4.0 * TIMES_S - 4.0, 0.02, r"wrist moves at 4 rad/s .*faster than the 3 rad/s that it can"),
        (
            0.0 * TIMES_S,
            0.06 * np.minimum(TIMES_S, 0.6),
            r"finger moves at 0.06 m/s .*faster than the 0.05 m/s that it can",
        ),
    ],
)
def test_too_fast_a_motion_is_told_from_a_leap(wrist: np.ndarray, finger, told: str) -> None:
    robot, positions = arm(), motion(wrist, finger)
    measured = possible_positions(TIMES_S, positions, robot)
    at_steps = measured[::5]
    actions = np.diff(at_steps, axis=0) / 0.05 / np.array(robot.velocity_scale)
    with pytest.raises(DatasetError, match=told):
        require_speed(actions, TIMES_S, measured, robot)
    require_speed(0.9 * actions / np.abs(actions).max(), TIMES_S, measured, robot)
