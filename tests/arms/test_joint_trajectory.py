import numpy as np
import pytest

from spirl_ros.arms.joint_trajectory import JointTrajectory, TrajectoryFollower
from spirl_ros.errors import CommandError

JOINTS = ("shoulder", "elbow")
ZERO = np.zeros(2)


def trajectory(
    joint_names=JOINTS,
    times_s=(1.0, 2.0),
    positions=((1.0, 2.0), (3.0, 4.0)),
    velocities=((), ()),
    accelerations=((), ()),
):
    return JointTrajectory.from_points(joint_names, times_s, positions, velocities, JOINTS, accelerations)


def test_joints_are_mapped_by_name() -> None:
    swapped = trajectory(joint_names=("elbow", "shoulder"))
    np.testing.assert_array_equal(swapped.positions, [[2.0, 1.0], [4.0, 3.0]])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"joint_names": ("shoulder", "wrist")}, "wrist"),
        ({"joint_names": ("shoulder",)}, "elbow"),
        ({"joint_names": ("shoulder", "shoulder")}, "elbow"),
        ({"times_s": (), "positions": (), "velocities": ()}, "no points"),
        ({"times_s": (1.0, 1.0)}, "strictly increasing"),
        ({"times_s": (1.0, float("nan"))}, "strictly increasing"),
        ({"times_s": (-1.0, 1.0)}, "from 0 on"),
        ({"positions": ((1.0,), (1.0, 2.0))}, r"\[1, 2\]"),
        ({"positions": ((1.0, 2.0), (1.0, float("nan")))}, "point 1 are not finite"),
        ({"velocities": ((1.0, 2.0), ())}, "velocities"),
        ({"velocities": ((1.0, 2.0), (0.0, 0.1))}, "zero"),
        ({"accelerations": ((1.0, 2.0), (0.0, 0.1))}, "no velocities"),
    ],
)
def test_broken_rule_is_named(changes: dict, told: str) -> None:
    with pytest.raises(CommandError, match=told):
        trajectory(**changes)


def test_positions_alone_are_joined_by_straight_lines_from_the_start() -> None:
    follower = TrajectoryFollower(trajectory(), start_s=10.0, position=ZERO, velocity=ZERO)
    position, velocity = follower.sample(10.5)
    np.testing.assert_allclose(position, [0.5, 1.0])
    np.testing.assert_allclose(velocity, [1.0, 2.0])
    np.testing.assert_allclose(follower.sample(11.25)[0], [1.5, 2.5])


def test_velocities_are_met_and_change_without_a_step() -> None:
    # A cubic from (p=0, v=0) over 1 s to (p=1, v=1) is 2 t^2 - t^3: 0.375 at half time, velocity 4t - 3t^2 = 1.25.
    one = trajectory(velocities=((1.0, 0.0), (0.0, 0.0)), positions=((1.0, 0.0), (2.0, 0.0)))
    follower = TrajectoryFollower(one, start_s=0.0, position=ZERO, velocity=ZERO)
    position, velocity = follower.sample(0.5)
    np.testing.assert_allclose([position[0], velocity[0]], [0.375, 1.25])
    times = np.linspace(0.0, 2.0, 2001)
    velocities = np.array([follower.sample(t)[1] for t in times])
    positions = np.array([follower.sample(t)[0] for t in times])
    assert np.abs(np.diff(velocities, axis=0)).max() < 0.01
    np.testing.assert_allclose(np.diff(positions, axis=0) / 0.001, velocities[:-1], atol=0.005)


def test_before_its_start_and_after_its_end_it_holds() -> None:
    follower = TrajectoryFollower(trajectory(), start_s=5.0, position=ZERO, velocity=ZERO)
    np.testing.assert_array_equal(follower.sample(4.0)[0], ZERO)
    position, velocity = follower.sample(100.0)
    np.testing.assert_array_equal(position, [3.0, 4.0])
    np.testing.assert_array_equal(velocity, ZERO)


def test_first_point_at_time_zero_is_taken_at_once() -> None:
    follower = TrajectoryFollower(trajectory(times_s=(0.0, 1.0)), start_s=0.0, position=ZERO, velocity=ZERO)
    np.testing.assert_array_equal(follower.sample(0.0)[0], [1.0, 2.0])


def test_accelerations_are_met_too() -> None:
    # From rest at 0 to rest at 1 in 1 s the quintic is 10 t^3 - 15 t^4 + 6 t^5: 53/512 at t = 1/4, velocity 1.875 at
    # 1/2.
    zeros = ((0.0, 0.0),)
    one = trajectory(times_s=(1.0,), positions=((1.0, 0.0),), velocities=zeros, accelerations=zeros)
    follower = TrajectoryFollower(one, start_s=0.0, position=ZERO, velocity=ZERO)
    assert follower.sample(0.25)[0][0] == pytest.approx(53 / 512)
    np.testing.assert_allclose([part[0] for part in follower.sample(0.5)], [0.5, 1.875])
    speeds = np.array([follower.sample(t)[1][0] for t in np.linspace(0.0, 1.0, 2001)])
    accelerations = np.diff(speeds) / 0.0005
    assert abs(accelerations[0]) < 0.1 and abs(accelerations[-1]) < 0.1
    # Peak acceleration of that quintic: 10 / sqrt(3).
    assert accelerations.max() == pytest.approx(10 / 3**0.5, rel=1e-3)
