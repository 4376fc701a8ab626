from pathlib import Path

import numpy as np
import pytest
import yaml

from spirl_ros.arms.robot_configuration import RATES, read_robot
from spirl_ros.errors import ConfigError
from spirl_ros.shipped import shipped

# Franka Robotics, "Limits for Franka Research 3", and libfranka's rate_limiting.h: ends of the range, largest velocity, and
# the velocity limit -offset + sqrt(factor * (end - q)), whose ends are a little further out.
FR3_RANGE = np.array(
    [[-2.7437, 2.7437], [-1.7837, 1.7837], [-2.9007, 2.9007], [-3.0421, -0.1518], [-2.8065, 2.8065], [0.5445, 4.5169]]
    + [[-3.0159, 3.0159]]
)
FR3_VELOCITY = np.array([2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26])
FR3_OFFSET = np.array([0.30, 0.20, 0.20, 0.30, 0.35, 0.35, 0.35])
FR3_FACTOR = np.array([12.0, 5.17, 7.0, 8.0, 34.0, 11.0, 34.0])
FR3_ENDS = np.array(
    [[-2.7501, 2.7501], [-1.7918, 1.7918], [-2.9065, 2.9065], [-3.0481, -0.1458], [-2.8101, 2.8101], [0.54092, 4.5205]]
    + [[-3.0196, 3.0196]]
)


def test_ur5e_is_within_the_vendors_limits() -> None:
    robot = read_robot("ur5e")
    assert robot.limits.joint_names == (
        *("shoulder_pan_joint", "shoulder_lift_joint", "elbow_joint"),
        *("wrist_1_joint", "wrist_2_joint", "wrist_3_joint"),
    )
    assert (np.abs(robot.limits.position_upper) <= np.radians([360.0, 360.0, 180.0, 360.0, 360.0, 360.0])).all()
    assert (robot.limits.position_lower == -robot.limits.position_upper).all()
    assert (robot.limits.velocity <= np.radians(180.0)).all()
    assert robot.trajectory_controller == "scaled_joint_trajectory_controller"


def test_fr3_stays_below_the_vendors_velocity_limit_also_while_it_brakes_before_the_end_of_the_range() -> None:
    limits = read_robot("fr3").limits
    assert limits.joint_names == tuple(f"fr3_joint{number}" for number in range(1, 8))
    assert (limits.position_lower > FR3_RANGE[:, 0]).all() and (limits.position_upper < FR3_RANGE[:, 1]).all()
    assert (limits.velocity < FR3_VELOCITY).all() and (limits.acceleration <= 10.0).all()
    assert (limits.jerk < 5000.0).all()
    for joint in range(7):
        q = np.linspace(limits.position_lower[joint], limits.position_upper[joint], 5001)
        for room, vendors_room in (
            (limits.position_upper[joint] - q, FR3_ENDS[joint, 1] - q),
            (q - limits.position_lower[joint], q - FR3_ENDS[joint, 0]),
        ):
            # The safety filter lets a joint be as fast as it can still stop: v² = 2 a room.
            fastest = np.minimum(limits.velocity[joint], np.sqrt(2.0 * limits.acceleration[joint] * room))
            allowed = np.minimum(FR3_VELOCITY[joint], -FR3_OFFSET[joint] + np.sqrt(FR3_FACTOR[joint] * vendors_room))
            assert (fastest < allowed - 0.01).all(), limits.joint_names[joint]


def test_generic_robot_is_refused_until_its_limits_are_filled_in(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"joint_1: position_lower, .* missing.*does not move without limits"):
        read_robot("generic")
    text = shipped("config/robots/generic.yaml").read_text()
    for name, value in zip(RATES, (-1.0, 1.0, 2.0, 4.0, 40.0), strict=True):
        text = text.replace(f"{name}: ~", f"{name}: {value}")
    (tmp_path / "mine.yaml").write_text(text)
    robot = read_robot("generic", tmp_path / "mine.yaml")
    np.testing.assert_array_equal(robot.limits.acceleration, [4.0, 4.0])
    assert robot.ready_topic == "" and robot.joint_state_topic == "joint_states"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda v: v.update(contrl_rate_hz=3.0), "contrl_rate_hz is unknown"),
        (lambda v: v.pop("trajectory_controller"), "trajectory_controller missing"),
        (lambda v: v["joints"][2].pop("velocity"), "joint elbow_joint: velocity missing"),
        (lambda v: v["joints"][2].update(velocity=float("nan")), "velocity of joint elbow_joint is nan"),
        (lambda v: v["joints"][2].update(velocity="fast"), "expected a number"),
        (lambda v: v["joints"][2].update(home=4.0), "home of elbow_joint is 4.0"),
        (lambda v: v["joints"][2].update(home=10**400), "expected a finite number"),
        (lambda v: v.update(joints=[]), r"joints are \[\]"),
        (lambda v: v.update(control_rate_hz=0), "control_rate_hz is 0.0"),
        (lambda v: v.update(control_rate_hz="20"), "control_rate_hz is '20', expected a number"),
        (lambda v: v.update(recovery="pray"), "expected a list"),
    ],
)
def test_bad_configuration_is_refused_with_file_and_reason(tmp_path: Path, change, told: str) -> None:
    values = yaml.safe_load(shipped("config/robots/ur5e.yaml").read_text())
    change(values)
    path = tmp_path / "robot.yaml"
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(ConfigError, match=told) as refusal:
        read_robot("generic", path)
    assert str(path) in str(refusal.value)


def test_unknown_robot_and_missing_file_are_told() -> None:
    with pytest.raises(ConfigError, match="expected one of ur5e, fr3, generic"):
        read_robot("kuka")
    with pytest.raises(ConfigError, match=r"no/such.yaml cannot be read"):
        read_robot("generic", Path("no/such.yaml"))


@pytest.mark.parametrize("robot", ["ur5e", "fr3"])
def test_shipped_controllers_fit_the_robot(robot: str) -> None:
    configuration = read_robot(robot)
    nodes = yaml.safe_load(shipped(f"config/controllers/{robot}.yaml").read_text())
    settings = nodes[f"/**/{configuration.trajectory_controller}"]["ros__parameters"]
    constraints = settings["constraints"]
    assert settings["interpolate_from_desired_state"] and constraints["decelerate_on_cancel"]
    assert not settings["allow_nonzero_velocity_at_trajectory_end"]
    for name, acceleration in zip(configuration.limits.joint_names, configuration.limits.acceleration, strict=True):
        assert constraints[name]["max_deceleration_on_cancel"] == acceleration
        assert constraints[name]["trajectory"] == configuration.path_tolerance
