from pathlib import Path

import numpy as np
import pytest
import yaml

from spirl_ros.arms.robot_configuration import RATES, find_robot, read_robot
from spirl_ros.errors import ConfigError
from spirl_ros.shipped import shipped

# Franka Robotics, "Limits for Franka Research 3", and libfranka's rate_limiting.h: ends of the range, largest velocity,
# and the velocity limit -offset + sqrt(factor * (end - q)), whose ends are a little further out.
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
        (lambda v: v["joints"][2].update(home=10**400), "home of joint elbow_joint is inf"),
        (lambda v: v["joints"][2].update(home=10**90), "home of elbow_joint is 1e\\+90, expected a place within"),
        (lambda v: v["joints"][2].update(home=90), "home of elbow_joint is 90.0, .* -3.14 to 3.14 rad"),
        (lambda v: v["joints"][2].update(unit="deg"), "unit of joint elbow_joint is 'deg', expected rad, or m"),
        (
            lambda v: v["joints"][2].update(unit="m", continuous=True),
            "elbow_joint is prismatic .unit: m. and continuous",
        ),
        (lambda v: v["joints"][2].update(continuous="yes"), "continuous of joint elbow_joint is 'yes'"),
        (lambda v: v["joints"][2].update(unusual_because=""), "unusual_because of joint elbow_joint is ''"),
        (lambda v: v["joints"][2].update(velocity_scale=3.2), "velocity_scale is 3.2, .*of elbow_joint, 3.14"),
        (lambda v: v["joints"][2].update(velocity_scale=0), "velocity_scale is 1/1/0/1/1/1, expected finite"),
        (lambda v: v.update(velocity_scale=57.3), "velocity_scale is 57.3, .*of every joint, 3.14 at most"),
        (lambda v: v["joints"][2].update(name=["a"]), r"name of a joint is \['a'\], expected a text"),
        (lambda v: v.update(urdf="/dev/zero"), "/dev/zero is a device, expected a regular file"),
        (lambda v: v.update(path_tolerance=12), "path_tolerance is 12.0, expected rad or m from 0 to 3"),
        (lambda v: v.pop("velocity_scale"), "velocity_scale missing"),
        (lambda v: v.update(urdf="no.urdf"), "no.urdf cannot be read"),
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
    assert settings["interpolate_from_desired_state"]
    # UR's controller steps to the measured position and stays, whatever these say.
    assert constraints.get("decelerate_on_cancel", False) == (robot == "fr3")
    assert not settings["allow_nonzero_velocity_at_trajectory_end"]
    for name, acceleration in zip(configuration.limits.joint_names, configuration.limits.acceleration, strict=True):
        assert constraints[name].get("max_deceleration_on_cancel") == (acceleration if robot == "fr3" else None)
        assert constraints[name]["trajectory"] == configuration.path_tolerance


def write(path: Path, change) -> Path:
    """The UR5e's file with a change, as a file of another arm."""
    values = yaml.safe_load(shipped("config/robots/ur5e.yaml").read_text())
    change(values)
    path.write_text(yaml.safe_dump(values))
    return path


def in_degrees(values: dict, names: tuple[str, ...]) -> None:
    for joint in values["joints"]:
        joint.update({name: float(np.degrees(joint[name])) for name in names})


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (
            ("position_lower", "position_upper"),
            "range from position_lower to position_upper of shoulder_pan_joint is 719",
        ),
        (("velocity",), "velocity of shoulder_pan_joint is 179.9"),
        (("acceleration",), "acceleration of shoulder_pan_joint is 229.1"),
    ],
)
@pytest.mark.parametrize("robot", ["ur5e", "generic"])
def test_limits_in_degrees_are_refused(tmp_path: Path, robot: str, names: tuple[str, ...], told: str) -> None:
    """180 "rad/s" and 230 "rad/s²" were taken by every program, and nothing limited the arm any more."""
    file = write(tmp_path / "arm.yaml", lambda values: in_degrees(values, names))
    with pytest.raises(ConfigError, match=f"{told}.*Is it in degrees"):
        read_robot(robot, file)


def test_unusual_joint_is_taken_with_its_reason_in_words(tmp_path: Path) -> None:
    def spindle(values: dict) -> None:
        values["joints"][5].update(velocity=40.0, unusual_because="a spindle, 40 rad/s in its data sheet")

    assert find_robot(str(write(tmp_path / "arm.yaml", spindle))).limits.velocity[5] == 40.0
    with pytest.raises(ConfigError, match="velocity of wrist_3_joint is 40, but the arm's URDF allows 3.14159 only"):
        read_robot("ur5e", tmp_path / "arm.yaml")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"position_upper": 3.2}, "position_upper of elbow_joint is 3.2, but the arm's URDF allows 3.14159 only"),
        ({"position_lower": -3.2}, "position_lower of elbow_joint is -3.2, but the arm's URDF allows -3.14159 only"),
        ({"velocity": 4.0}, "velocity of elbow_joint is 4, but the arm's URDF allows 3.14159 only"),
        ({"unit": "m", "position_lower": 0.0}, "unit of elbow_joint is m, but its joint in the URDF is revolute"),
    ],
)
def test_limits_beyond_the_urdf_are_refused(tmp_path: Path, change: dict, told: str) -> None:
    """Also where the URDF is known only because the file names it."""
    (tmp_path / "arm.urdf").write_text(shipped("config/urdf/ur5e.urdf").read_text())
    file = write(tmp_path / "arm.yaml", lambda values: values["joints"][2].update(change))
    for robot in ("ur5e", "generic"):
        if robot == "generic":
            file = write(tmp_path / "arm.yaml", lambda v: (v["joints"][2].update(change), v.update(urdf="arm.urdf")))
        with pytest.raises(ConfigError, match=told):
            read_robot(robot, file)
    rounded = write(tmp_path / "arm.yaml", lambda values: values["joints"][2].update(position_upper=3.1416))
    assert read_robot("ur5e", rounded).limits.position_upper[2] == 3.1416


FINGER = {"name": "finger", "home": 0.02, "position_lower": 0.0, "position_upper": 0.04, "velocity": 0.05} | {
    "acceleration": 0.5,
    "jerk": 5.0,
}


def test_slides_and_joints_without_end_are_known_by_the_file_or_its_urdf(tmp_path: Path) -> None:
    """Every joint was rad, and which ones turn without end was known nowhere."""

    def said(values: dict) -> None:
        values["joints"][5] |= {"continuous": True, "position_lower": None, "position_upper": None}
        values["joints"].append(FINGER | {"unit": "m", "velocity_scale": 0.05})

    robot = find_robot(str(write(tmp_path / "arm.yaml", said)))
    assert robot.units == ("rad",) * 6 + ("m",) and robot.slides == ("finger",)
    assert robot.continuous == ("wrist_3_joint",)
    assert robot.velocity_scale == (1.0,) * 6 + (0.05,)
    np.testing.assert_allclose(robot.limits.position_upper[5], 20.0 * np.pi)

    text = shipped("config/urdf/ur5e.urdf").read_text()
    parts = text.split('<joint name="wrist_3_joint" type="revolute">')
    finger = (
        '<link name="tip"/><joint name="finger" type="prismatic"><parent link="tool0"/><child link="tip"/>'
        '<limit lower="0" upper="0.04" velocity="0.05" effort="1"/></joint></robot>'
    )
    text = '<joint name="wrist_3_joint" type="continuous">'.join(parts).replace("</robot>", finger)
    (tmp_path / "arm.urdf").write_text(text)
    file = write(tmp_path / "arm.yaml", lambda v: (v["joints"].append(FINGER), v.update(urdf="arm.urdf")))
    robot = find_robot(str(file))
    assert (robot.slides, robot.continuous) == (("finger",), ("wrist_3_joint",))
    assert robot.velocity_scale == 1.0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"position_upper": 40.0}, "is it a slide"),
        ({"position_upper": 40.0, "unit": "m"}, "range .* of finger is 40, expected at most 5 .*Is it in mm"),
        ({"velocity": 50.0, "unit": "m"}, "velocity of finger is 50, expected at most 5 for a joint in m"),
    ],
)
def test_millimetres_and_percent_are_refused(tmp_path: Path, change: dict, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        find_robot(str(write(tmp_path / "arm.yaml", lambda values: values["joints"].append(FINGER | change))))


def test_aliases_are_refused_in_bounded_time(tmp_path: Path) -> None:
    """Nine lines of aliases in `description` took 1.4 GB and minutes, in the message that refused them."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (tmp_path / "arm.yaml").write_text("\n".join(lines))
    with pytest.raises(ConfigError, match="arm.yaml: YAML anchor &a0 is not allowed"):
        find_robot(str(tmp_path / "arm.yaml"))
