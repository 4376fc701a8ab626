"""Kinematics read from URDF, against the Denavit-Hartenberg parameters that the vendors publish."""

import numpy as np
import pytest

pytest.importorskip("mujoco")

from spirl_ros.arms.robot_configuration import read_robot
from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.errors import ConfigError
from spirl_ros.shipped import shipped
from spirl_ros.teleoperation.urdf_kinematics import LIMIT_MARGIN_RAD, UrdfKinematics

UP, DOWN = np.pi / 2, -np.pi / 2
UR5E = (
    (0.0, 0.1625, UP),
    (-0.425, 0.0, 0.0),
    (-0.3922, 0.0, 0.0),
    (0.0, 0.1333, UP),
    (0.0, 0.0997, DOWN),
    (0.0, 0.0996, 0.0),
)
"""a [m], d [m], alpha [rad] of each joint: "DH Parameters for calculations of kinematics and dynamics",
universal-robots.com."""
FR3 = (
    (0.0, 0.333, 0.0),
    (0.0, 0.0, DOWN),
    (0.0, 0.316, UP),
    (0.0825, 0.0, UP),
    (-0.0825, 0.384, DOWN),
    (0.0, 0.0, UP),
    (0.088, 0.0, UP),
)
"""a, d, alpha of Craig's convention, and the flange 0.107 m further: robot_specifications.html of
frankarobotics.github.io."""


def turn(axis: int, angle: float) -> np.ndarray:
    """About x (0) or z (2)."""
    matrix, (i, j) = np.eye(4), {0: (1, 2), 2: (0, 1)}[axis]
    matrix[i, i] = matrix[j, j] = np.cos(angle)
    matrix[i, j], matrix[j, i] = -np.sin(angle), np.sin(angle)
    return matrix


def shift(x: float = 0.0, z: float = 0.0) -> np.ndarray:
    matrix = np.eye(4)
    matrix[0, 3], matrix[2, 3] = x, z
    return matrix


def ur5e_tool(q: np.ndarray) -> np.ndarray:
    """The vendor's frame `base` is base_link turned by half a turn."""
    pose = turn(2, np.pi)
    for angle, (a, d, alpha) in zip(q, UR5E, strict=True):
        pose = pose @ turn(2, angle) @ shift(a, d) @ turn(0, alpha)
    return pose


def fr3_tool(q: np.ndarray) -> np.ndarray:
    pose = np.eye(4)
    for angle, (a, d, alpha) in zip(q, FR3, strict=True):
        pose = pose @ turn(0, alpha) @ shift(a) @ turn(2, angle) @ shift(z=d)
    return pose @ shift(z=0.107)


def kinematics_of(name: str, tool_link: str | None = None, urdf: str | None = None) -> UrdfKinematics:
    robot = read_robot(name)
    text = shipped(f"config/urdf/{name}.urdf").read_text() if urdf is None else urdf
    return UrdfKinematics(text, robot.limits, robot.tool_link if tool_link is None else tool_link)


@pytest.mark.parametrize(("name", "tool"), [("ur5e", ur5e_tool), ("fr3", fr3_tool)])
def test_tool_and_jacobian_are_those_of_the_vendors_parameters(name: str, tool) -> None:
    kinematics, limits = kinematics_of(name), read_robot(name).limits
    for q in np.random.default_rng(0).uniform(
        limits.position_lower, limits.position_upper, (20, len(limits.joint_names))
    ):
        pose = tool(q)
        np.testing.assert_allclose(kinematics.tool_position(q), pose[:3, 3], atol=1e-12)
        np.testing.assert_allclose(kinematics.tool_rotation(q), pose[:3, :3], atol=1e-12)
        step = 1e-6
        for joint, column in enumerate(kinematics.jacobian(q).T):
            ahead, behind = (tool(q + sign * step * np.eye(q.size)[joint]) for sign in (1.0, -1.0))
            np.testing.assert_allclose(column[:3], (ahead - behind)[:3, 3] / (2 * step), atol=1e-8)
            turned = ahead[:3, :3] @ behind[:3, :3].T / (2 * step)
            spin = np.array([turned[2, 1] - turned[1, 2], turned[0, 2] - turned[2, 0], turned[1, 0] - turned[0, 1]]) / 2
            np.testing.assert_allclose(column[3:], spin, atol=1e-8)


def test_description_of_a_driver_needs_no_meshes_and_the_narrower_range_counts() -> None:
    """With meshes that lie elsewhere, masses that no body has, a gripper, and elements of other programs."""
    urdf = shipped("config/urdf/ur5e.urdf").read_text()
    mesh = '<geometry><mesh filename="package://ur_description/meshes/shoulder.dae"/></geometry>'
    urdf = urdf.replace(
        '<link name="shoulder_link"/>',
        f'<link name="shoulder_link"><visual>{mesh}</visual><collision>{mesh}</collision><inertial><mass value="0"/>'
        '<inertia ixx="1" iyy="0" izz="0" ixy="0" ixz="0" iyz="0"/></inertial></link>',
    ).replace('lower="-3.141592653589793"', 'lower="-1.0"')
    more = (
        '<link name="finger"/><joint name="finger_joint" type="prismatic"><parent link="tool0"/><child link="finger"/>'
        '<axis xyz="1 0 0"/><limit lower="0" upper="0.05" velocity="1" effort="1"/></joint>'
        '<ros2_control name="ur5e" type="system"><hardware/></ros2_control>'
    )
    kinematics = kinematics_of("ur5e", urdf=urdf.replace("</robot>", f"{more}</robot>"))
    q = read_robot("ur5e").home
    np.testing.assert_allclose(kinematics.tool_position(q), ur5e_tool(q)[:3, 3], atol=1e-12)
    assert kinematics.jacobian(q).shape == (6, 6)
    assert kinematics.lower[2] == -1.0 + LIMIT_MARGIN_RAD
    with pytest.raises(ConfigError, match="joint finger_joint moves finger too"):
        kinematics_of("ur5e", "finger", urdf.replace("</robot>", f"{more}</robot>"))


@pytest.mark.parametrize(
    ("urdf", "tool_link", "told"),
    [
        ("no XML", "tool0", "not a usable URDF: syntax error"),
        ("<sdf/>", "tool0", "root element is sdf, expected robot"),
        ("<robot name='a'/>", "tool0", "has no joints shoulder_pan_joint, .*; it has none"),
        (None, "hand", "has no links hand; it has base_link, base_link_inertia, .*tool0"),
        (None, "", "tool_link is missing, expected one of the URDF's links: .*tool0"),
        ("fr3", "tool0", "has no joints shoulder_pan_joint, .*; it has fr3_joint1"),
    ],
)
def test_description_that_does_not_fit_is_told(urdf: str | None, tool_link: str, told: str) -> None:
    if urdf == "fr3":
        urdf = shipped("config/urdf/fr3.urdf").read_text()
    with pytest.raises(ConfigError, match=told):
        kinematics_of("ur5e", tool_link, urdf)


def planar(level: str = "", middle: str = "") -> str:
    """Two joints about y, each 0.1 m behind the last, and a hand on a third that follows the second."""
    joint = (
        '<joint name="{0}" type="revolute"><parent link="{1}"/><child link="{2}"/>'
        '<origin xyz="0 0 0.1"/><axis xyz="0 1 0"/>'
        '<limit lower="-2" upper="{4}" effort="1" velocity="1"/>{3}</joint><link name="{2}"/>'
    )
    parts = (
        joint.format("a", "base", "l1", "", 2),
        joint.format("b", "l1", "l2", middle, 2),
        joint.format("level", "l2", "hand", level, 0.5),
    )
    return f'<robot name="r"><link name="base"/>{"".join(parts)}</robot>'


def two_joints(names: tuple[str, ...] = ("a", "b")) -> JointLimits:
    ones = np.ones(len(names))
    return JointLimits(names, -1.5 * ones, 1.5 * ones, ones, ones, ones)


def test_joint_that_mimics_another_follows_it() -> None:
    """Arms with a parallelogram or a coupled gripper before the tool were refused.

    Straight up, a turn of a moves the hand by its height above a, 0.3 - 0.1 = 0.2 m per rad, and b by 0.1 m, for the
    hand's own joint goes against b: it keeps the hand level.
    """
    mimic = '<mimic joint="b" multiplier="-1" offset="0.25"/>'
    kinematics = UrdfKinematics(planar(mimic), two_joints(), "hand")
    jacobian = kinematics.jacobian(np.zeros(2))
    np.testing.assert_allclose(jacobian[[0, 2, 4]], [[0.2, 0.1], [0.0, 0.0], [1.0, 0.0]], atol=1e-12)
    q = np.array([0.3, -0.7])
    place = [0.1 * (np.sin(0.3) + np.sin(-0.4)), 0.0, 0.1 * (1.0 + np.cos(0.3) + np.cos(-0.4))]
    np.testing.assert_allclose(kinematics.tool_position(q), place, atol=1e-12)
    # The hand is turned by a + b + (0.25 - b).
    np.testing.assert_allclose(kinematics.tool_rotation(q)[0, 0], np.cos(0.3 + 0.25), atol=1e-12)
    # -2 <= 0.25 - b <= 0.5, beside -1.5 <= b <= 1.5.
    np.testing.assert_allclose(kinematics.lower, [-1.5 + LIMIT_MARGIN_RAD, -0.25 + LIMIT_MARGIN_RAD])
    np.testing.assert_allclose(kinematics.upper, [1.5 - LIMIT_MARGIN_RAD, 1.5 - LIMIT_MARGIN_RAD])


def test_joint_may_mimic_one_that_mimics() -> None:
    text = planar('<mimic joint="b" multiplier="-1"/>', '<mimic joint="a" multiplier="2"/>')
    kinematics = UrdfKinematics(text, two_joints(("a",)), "hand")
    # 0.2 m for a, twice 0.1 m for b; turned by 1 + 2 - 2.
    np.testing.assert_allclose(kinematics.jacobian(np.zeros(1))[[0, 4], 0], [0.4, 1.0], atol=1e-12)
    assert kinematics.upper[0] == 1.0 - LIMIT_MARGIN_RAD  # b goes to 2


@pytest.mark.parametrize(
    ("urdf", "names", "tool_link", "told"),
    [
        (planar(), ("a", "b"), "hand", "joint level moves hand too"),
        (planar('<mimic joint="b"/>'), ("a",), "hand", "joint (level|b) moves hand too"),
        (planar('<mimic joint="level"/>'), ("a", "b"), "hand", "joint level moves hand too"),
        (planar('<mimic joint="b"/>', '<mimic joint="level"/>'), ("a",), "hand", "joint (level|b) moves hand too"),
        (planar(), ("a", "b"), "base", "tool_link is base, which no joint of the arm moves. Choose a link behind"),
    ],
)
def test_joint_that_follows_nobody_and_tool_that_nobody_moves_are_told(urdf, names, tool_link, told) -> None:
    """A tool at the arm's base was `ready` and never moved."""
    with pytest.raises(ConfigError, match=told):
        UrdfKinematics(urdf, two_joints(names), tool_link)
