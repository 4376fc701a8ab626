import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from urllib.parse import unquote, urlsplit

import mujoco
import numpy as np
import pytest

from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.kitchen.scene import INITIAL_POSITIONS, load_kitchen_scene
from spirl_ros.monitoring.arm_frames import ArmFrames, arm_urdf, roll_pitch_yaw


def positions() -> np.ndarray:
    return INITIAL_POSITIONS + np.random.default_rng(3).uniform(-0.3, 0.3, 30) * (np.arange(30) < 7)


def test_urdf_puts_every_link_where_the_mjcf_has_it() -> None:
    """Read by MuJoCo's own URDF parser, and moved to the same joint positions."""
    scene = load_kitchen_scene(with_visuals=True)
    # Visuals alone have no mass, and MuJoCo asks moving bodies for some.
    urdf = re.sub(
        r'<link name="([^"]*)"( /)?>',
        r'<link name="\1"><inertial><mass value="1"/>'
        r'<inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial>'
        r"</link>",
        re.sub(r"(?s)<visual>.*?</visual>", "", arm_urdf(KITCHEN.view())).replace("</link>", ""),
    )
    urdf = urdf.replace("</robot>", '<mujoco><compiler fusestatic="false"/></mujoco></robot>')
    arm = mujoco.MjModel.from_xml_string(urdf)
    read, data = mujoco.MjData(arm), mujoco.MjData(scene.model)
    data.qpos[:] = positions()
    mujoco.mj_kinematics(scene.model, data)
    for name, value in zip(scene.joint_names, positions()[:9], strict=True):
        read.joint(name).qpos[:] = value
    mujoco.mj_kinematics(arm, read)
    frames = ArmFrames(KITCHEN.view())
    assert len(frames.bodies) == 10
    for body, name in zip(frames.bodies, frames.names, strict=False):
        np.testing.assert_allclose(read.body(name).xpos, data.xpos[body], atol=1e-6, err_msg=name)
        np.testing.assert_allclose(read.body(name).xmat, data.xmat[body], atol=1e-6, err_msg=name)


def test_urdf_names_the_arms_joints_limits_and_mesh_files() -> None:
    scene = load_kitchen_scene(with_visuals=True)
    robot = ElementTree.fromstring(arm_urdf(KITCHEN.view()))
    joints = {joint.attrib["name"]: joint for joint in robot.findall("joint")}
    assert [name for name in joints if not name.endswith("_mount")] == list(scene.joint_names)
    limit = joints[scene.joint_names[3]].find("limit")
    assert limit is not None and float(limit.attrib["upper"]) == pytest.approx(scene.position_upper[3])
    meshes = robot.findall("link/visual/geometry/mesh")
    assert len(meshes) == 11
    for mesh in meshes:
        assert Path(unquote(urlsplit(mesh.attrib["filename"]).path)).is_file()


def test_transforms_chained_from_the_world_lead_to_the_tool() -> None:
    frames = ArmFrames(KITCHEN.view())
    offsets, quaternions = frames.transforms(positions())
    places = {"world": (np.zeros(3), np.eye(3))}
    for name, parent, offset, quaternion in zip(frames.names, frames.parents, offsets, quaternions, strict=True):
        origin, axes = places[parent]  # a parent comes before its children
        rotation = np.empty(9)
        mujoco.mju_quat2Mat(rotation, quaternion)
        places[name] = origin + axes @ offset, axes @ rotation.reshape(3, 3)
    tool = frames._tool.pose()
    np.testing.assert_allclose(places["tool"][0], tool.position, atol=1e-9)
    np.testing.assert_allclose(places["tool"][1], tool.rotation, atol=1e-9)
    assert frames.parents[0] == "world" and frames.parents[-1] == "panda0_link7"


@pytest.mark.parametrize("angles", [(0.3, -0.4, 2.0), (0.0, np.pi / 2, 0.7), (0.0, -np.pi / 2, -0.7), (-3.0, 0.1, 0.0)])
def test_angles_give_the_rotation_back(angles: tuple[float, float, float]) -> None:
    parts = [np.empty(4) for _ in range(3)]
    for part, axis, angle in zip(parts, np.eye(3), angles, strict=True):
        mujoco.mju_axisAngle2Quat(part, axis, angle)
    both, quaternion = np.empty(4), np.empty(4)
    mujoco.mju_mulQuat(both, parts[1], parts[0])
    mujoco.mju_mulQuat(quaternion, parts[2], both)  # x first, then y, then z, about fixed axes
    np.testing.assert_allclose(roll_pitch_yaw(quaternion), angles, atol=1e-6)
