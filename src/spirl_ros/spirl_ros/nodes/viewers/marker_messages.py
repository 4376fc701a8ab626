"""RViz markers of what the monitor's other views show.

Each kind has a namespace; a marker that is not repeated vanishes.
"""

from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker

from spirl_ros.monitoring.scene_shapes import BOX, CYLINDER, ELLIPSOID, MESH, Shape
from spirl_ros.monitoring.tool_paths import ToolPath, skill_colour
from spirl_ros.monitoring.views import SafetyView, SkillView, TaskView

TOOL_PATH, NEXT_SKILL, PRIOR, SUBTASKS, SAFETY = (
    "tool_path",
    "next_skill",
    "prior_samples",
    "subtasks",
    "safety",
)
"""Namespaces, which RViz can switch on and off one by one. The scene's has the name of its family."""

_KINDS = {BOX: Marker.CUBE, CYLINDER: Marker.CYLINDER, ELLIPSOID: Marker.SPHERE, MESH: Marker.MESH_RESOURCE}
_PATH_WIDTH_M, _NEXT_WIDTH_M, _PRIOR_WIDTH_M = 0.008, 0.012, 0.003
_TEXT_HEIGHT_M = 0.07
_SPHERE_M = 0.06
_SAFETY_COLOURS = {
    "limited": (1.0, 0.6, 0.0),
    "holding": (1.0, 0.6, 0.0),
    "braking": (0.9, 0.1, 0.1),
    "latched": (0.9, 0.1, 0.1),
}


def marker(namespace: str, number: int, kind: int, lifetime_s: float) -> Marker:
    """A marker at the origin, without colour and size."""
    message = Marker(ns=namespace, id=number, type=kind, action=Marker.ADD)
    message.pose.orientation.w = 1.0
    seconds, share = divmod(lifetime_s, 1.0)
    message.lifetime = Duration(sec=int(seconds), nanosec=round(share * 1e9))
    return message


def to_shape_markers(scene: str, shapes: Sequence[Shape], lifetime_s: float) -> list[Marker]:
    """A marker per shape of a scene, without pose.

    Mesh files are read from this machine's disk by whoever draws them.
    """
    markers = []
    for number, shape in enumerate(shapes):
        message = marker(scene, number, _KINDS[shape.kind], lifetime_s)
        message.scale = Vector3(x=shape.extent[0], y=shape.extent[1], z=shape.extent[2])
        message.color = _colour(shape.colour[:3], shape.colour[3])
        if shape.file is not None:
            message.mesh_resource = shape.file.as_uri()
        markers.append(message)
    return markers


def to_pose(position: np.ndarray, quaternion: np.ndarray) -> Pose:
    """A pose from a position (3,) [m] and a unit quaternion (4,), w first."""
    w, x, y, z = (float(value) for value in quaternion)
    return Pose(position=_point(position), orientation=Quaternion(w=w, x=x, y=y, z=z))


def to_path_markers(paths: Sequence[ToolPath], lifetime_s: float) -> list[Marker]:
    """The way of the tool during the last skills, each in its colour; a new one takes the number of the oldest."""
    return [_line(TOOL_PATH, path.slot, path.points, _PATH_WIDTH_M, path.colour, lifetime_s) for path in paths]


def to_preview_markers(skill_id: int, way: np.ndarray, samples: np.ndarray, lifetime_s: float) -> list[Marker]:
    """Where a skill (H + 1, 3) and samples of the prior (B, H + 1, 3) would lead the tool [m]."""
    messages = [_line(NEXT_SKILL, 0, way, _NEXT_WIDTH_M, skill_colour(skill_id), lifetime_s, opacity=0.6)]
    for number, sample in enumerate(samples):
        messages.append(_line(PRIOR, number, sample, _PRIOR_WIDTH_M, (0.5, 0.5, 0.5), lifetime_s, opacity=0.6))
    return messages


def to_subtask_marker(
    task: TaskView, skill: SkillView | None, place_m: tuple[float, float, float], lifetime_s: float
) -> Marker:
    """The state of the task as text at a place in the world frame [m]."""
    lines = [
        f"[{'x' if is_done else ' '}] {name.replace('_', ' ')}"
        for name, is_done in zip(task.subtasks, task.is_completed, strict=True)
    ]
    lines.append(f"step {task.step} of {task.max_steps}")
    if skill is not None:
        # Skills that were asked for by the action have no number, unless who asked tells what it chose.
        lines.append(f"skill {skill.skill_id}: {skill.state}" if skill.skill_id else f"skill: {skill.state}")
    return _text("\n".join(lines), place_m, lifetime_s)


def to_silence_marker(silent_s: float, place_m: tuple[float, float, float], lifetime_s: float) -> Marker:
    """Why there is nothing else to see: no joint states for so long [s]."""
    return _text(f"no joint states for {silent_s:.0f} s", place_m, lifetime_s)


def to_safety_markers(safety: SafetyView, tool_position: np.ndarray, lifetime_s: float) -> list[Marker]:
    """A ball at the tool with reason, joints and count, where the safety filter changed or refused a command."""
    if safety.state not in _SAFETY_COLOURS:
        return []
    ball = marker(SAFETY, 0, Marker.SPHERE, lifetime_s)
    ball.pose.position = _point(tool_position)
    ball.scale = Vector3(x=_SPHERE_M, y=_SPHERE_M, z=_SPHERE_M)
    ball.color = _colour(_SAFETY_COLOURS[safety.state], 0.6)
    text = marker(SAFETY, 1, Marker.TEXT_VIEW_FACING, lifetime_s)
    text.pose.position = _point(tool_position + np.array([0.0, 0.0, 2.0 * _SPHERE_M]))
    text.scale = _letters(0.8 * _TEXT_HEIGHT_M)
    text.color = _colour(_SAFETY_COLOURS[safety.state])
    lines = [f"{safety.state}: {safety.reason}" if safety.reason else safety.state]
    if safety.state == "limited" and safety.limited_joint_names:
        lines.append(", ".join(safety.limited_joint_names))
    lines.append(f"{safety.interventions} intervention{'s' if safety.interventions != 1 else ''}")
    text.text = "\n".join(lines)
    return [ball, text]


def _text(text: str, place_m: tuple[float, float, float], lifetime_s: float) -> Marker:
    message = marker(SUBTASKS, 0, Marker.TEXT_VIEW_FACING, lifetime_s)
    message.pose.position = _point(np.array(place_m))
    message.scale = _letters(_TEXT_HEIGHT_M)
    message.color = _colour((1.0, 1.0, 1.0))
    message.text = text
    return message


def _letters(height_m: float) -> Vector3:
    """The size of a text: z is the height of an A, x the width of a space, which RViz takes as it is."""
    return Vector3(x=0.5 * height_m, y=0.0, z=height_m)


def _line(
    namespace: str,
    number: int,
    points: np.ndarray,
    width_m: float,
    colour: tuple[float, float, float],
    lifetime_s: float,
    opacity: float = 1.0,
) -> Marker:
    message = marker(namespace, number, Marker.LINE_STRIP, lifetime_s)
    message.scale.x = width_m
    message.color = _colour(colour, opacity)
    message.points = [_point(point) for point in points]
    return message


def _point(position: np.ndarray) -> Point:
    return Point(x=float(position[0]), y=float(position[1]), z=float(position[2]))


def _colour(colour: Sequence[float], opacity: float = 1.0) -> ColorRGBA:
    return ColorRGBA(r=float(colour[0]), g=float(colour[1]), b=float(colour[2]), a=float(opacity))
