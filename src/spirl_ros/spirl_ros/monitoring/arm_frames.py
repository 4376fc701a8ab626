"""The simulated arm as robot tools know it: frames with their parents, and a URDF made from the MJCF."""

import math
import xml.etree.ElementTree as ElementTree

import mujoco
import numpy as np

from spirl_ros.monitoring.scene_shapes import BOX, CYLINDER, MESH, SceneShapes, Shape
from spirl_ros.tasks.scene_view import SceneView

WORLD_FRAME, TOOL_FRAME = "world", "tool"
_HINGE = int(mujoco.mjtJoint.mjJNT_HINGE)


class ArmFrames:
    """Where the arm's links and its tool point are, each relative to its parent. Not thread-safe."""

    def __init__(self, view: SceneView) -> None:
        """Find the links: every body that carries a joint of the arm, and the one that the first of them hangs on."""
        scene = view.load_scene()
        self._model, self._data = scene.model, mujoco.MjData(scene.model)
        moving = [int(body) for body in scene.model.jnt_bodyid[: scene.joint_count]]
        self.bodies = (int(scene.model.body_parentid[moving[0]]), *moving)
        """Bodies of the model, parents first."""
        self.names = (*(scene.model.body(body).name for body in self.bodies), TOOL_FRAME)
        """Frames: the bodies, then the tool point."""
        self._tool = view.tool_point(self._data)
        names = dict(zip(self.bodies, self.names, strict=False))
        parents = (names.get(int(scene.model.body_parentid[body]), WORLD_FRAME) for body in self.bodies)
        tool_body = self._tool.body_id
        while tool_body and tool_body not in names:
            tool_body = int(scene.model.body_parentid[tool_body])
        self.parents = (*parents, names.get(tool_body, WORLD_FRAME))
        """Of each frame."""

    def transforms(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Poses of the frames in their parents' frames, for measured positions (Da+Ds,).

        Returns:
            Positions (N, 3) [m] and unit quaternions (N, 4), w first, in the order of `names`.
        """
        data = self._data
        data.qpos[:] = positions
        mujoco.mj_normalizeQuat(self._model, data.qpos)  # measured with noise, so not of unit length
        mujoco.mj_kinematics(self._model, data)
        tool = self._tool.pose()
        places = {WORLD_FRAME: (np.zeros(3), np.eye(3)), TOOL_FRAME: (tool.position, tool.rotation)}
        for body, name in zip(self.bodies, self.names, strict=False):
            places[name] = data.xpos[body].copy(), data.xmat[body].reshape(3, 3).copy()
        offsets, quaternions = np.empty((len(self.names), 3)), np.empty((len(self.names), 4))
        for index, (name, parent) in enumerate(zip(self.names, self.parents, strict=True)):
            (place, rotation), (origin, axes) = places[name], places[parent]
            offsets[index] = axes.T @ (place - origin)
            mujoco.mju_mat2Quat(quaternions[index], (axes.T @ rotation).ravel())
        return offsets, quaternions


def arm_urdf(view: SceneView) -> str:
    """The arm as URDF, with joints named as in its joint states. Mesh files are named by their place on this disk."""
    scene = view.load_scene()
    frames, model = ArmFrames(view), scene.model
    # A joint's own position is zero in these transforms: what is left is where its frame hangs on the parent.
    offsets, quaternions = frames.transforms(
        np.concatenate([np.zeros(scene.joint_count), scene.initial_positions[scene.joint_count :]])
    )
    limits = scene.limits
    shapes = SceneShapes(view)
    robot = ElementTree.Element("robot", name=view.robot_name)
    ElementTree.SubElement(robot, "link", name=WORLD_FRAME)
    for index, (frame, parent) in enumerate(zip(frames.names, frames.parents, strict=True)):
        link = ElementTree.SubElement(robot, "link", name=frame)
        joint_number = index - 1  # the first frame is the base, the last one the tool
        if 0 <= joint_number < scene.joint_count:
            kind = "revolute" if int(model.jnt_type[joint_number]) == _HINGE else "prismatic"
            joint = ElementTree.SubElement(robot, "joint", name=scene.joint_names[joint_number], type=kind)
            ElementTree.SubElement(joint, "axis", xyz=_numbers(model.jnt_axis[joint_number]))
            lower, upper = limits.position_lower[joint_number], limits.position_upper[joint_number]
            # MuJoCo's servos have no effort of their own to name; 87 N m is the Franka arm's strongest joint.
            ElementTree.SubElement(
                joint,
                "limit",
                lower=f"{lower:.6g}",
                upper=f"{upper:.6g}",
                velocity=f"{limits.velocity[joint_number]:.6g}",
                effort="87",
            )
        else:
            joint = ElementTree.SubElement(robot, "joint", name=f"{frame}_mount", type="fixed")
        ElementTree.SubElement(joint, "parent", link=parent)
        ElementTree.SubElement(joint, "child", link=frame)
        _add_origin(joint, offsets[index], quaternions[index])
        if index < len(frames.bodies):
            for shape, place, quaternion in shapes.of_body(frames.bodies[index]):
                _add_visual(link, shape, place, quaternion)
    ElementTree.indent(robot)
    return ElementTree.tostring(robot, encoding="unicode", xml_declaration=True)


def _add_visual(link: ElementTree.Element, shape: Shape, place: np.ndarray, quaternion: np.ndarray) -> None:
    visual = ElementTree.SubElement(link, "visual")
    _add_origin(visual, place, quaternion)
    geometry = ElementTree.SubElement(visual, "geometry")
    extent = np.array(shape.extent)
    if shape.kind == MESH and shape.file is not None:
        ElementTree.SubElement(geometry, "mesh", filename=shape.file.as_uri(), scale=_numbers(extent))
    elif shape.kind == BOX:
        ElementTree.SubElement(geometry, "box", size=_numbers(extent))
    elif shape.kind == CYLINDER:
        ElementTree.SubElement(geometry, "cylinder", radius=f"{extent[0] / 2.0:.6g}", length=f"{extent[2]:.6g}")
    else:
        ElementTree.SubElement(geometry, "sphere", radius=f"{extent.max() / 2.0:.6g}")
    material = ElementTree.SubElement(visual, "material", name="_".join(f"{255 * value:.0f}" for value in shape.colour))
    ElementTree.SubElement(material, "color", rgba=_numbers(np.array(shape.colour)))


def _add_origin(element: ElementTree.Element, place: np.ndarray, quaternion: np.ndarray) -> None:
    ElementTree.SubElement(element, "origin", xyz=_numbers(place), rpy=_numbers(np.array(roll_pitch_yaw(quaternion))))


def roll_pitch_yaw(quaternion: np.ndarray) -> tuple[float, float, float]:
    """URDF's angles [rad] of a unit quaternion (4,), w first: about the fixed axes x, then y, then z."""
    w, x, y, z = (float(value) for value in quaternion)
    sine = max(-1.0, min(1.0, 2.0 * (w * y - z * x)))
    if abs(sine) > 1.0 - 1e-12:  # straight up or down: roll and yaw turn about the same axis
        return 0.0, math.copysign(math.pi / 2.0, sine), -math.copysign(2.0, sine) * math.atan2(x, w)
    roll = math.atan2(2.0 * (w * x + y * z), 1.0 - 2.0 * (x * x + y * y))
    yaw = math.atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
    return roll, math.asin(sine), yaw


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.9g}" for value in values)
