"""Opens the slide cabinet: put the closed fingers left of its bar and push right."""

import numpy as np

from spirl_ros.kitchen.arm_motion import GRIPPER_CLOSED, ArmMotion, Motion
from spirl_ros.kitchen.hand_orientation import hand_orientation
from spirl_ros.tasks.tool_point import ToolPose

REST = np.array([-0.9, -1.1, 0.9, -2.2, 0.6, 1.1, 0.8])
"""Posture (7,) [rad] below and left of the bar."""
HANDLE, DOOR = "slide_site", "slide_cabinet"

_ROTATION_WEIGHT = 0.03
"""While pushing, the hand may turn as it likes: at the usual 0.35 joints saturate and the push takes half as long
again."""
_YAW_RAD, _YAW_BESIDE_OPEN_DOOR_RAD = 0.1, 0.5
"""With the hinge door open the hand points left, which puts the hand itself right of the door."""

_IN_FRONT = np.array([-0.02, -0.09, -0.05])
"""Where the push is prepared (3,) [m], from the place beside the bar."""
_FAR_IN_FRONT = np.array([-0.02, -0.14, -0.05])
"""The same with the hinge door open: the hand then comes from the right, and nearer the wall it is caught by the
bar."""

_CLEAR_OF_DOOR = np.array([-0.09, 0.42, 2.34])
"""Right of the open hinge door and below it (3,) [m]: from the far left the straight way leads into the door."""
_FAR_LEFT_X = -0.3
"""The hand that has just opened the door is below it already, right of this [m]."""


def open_slide_cabinet(motion: ArmMotion) -> Motion:
    """One attempt. The door's position rises from 0; it is left at about 0.38 m."""
    view, vary = motion.view, motion.variation
    is_door_beside_open = view.coordinate("right_hinge_cabinet") > 0.3
    yaw = _YAW_BESIDE_OPEN_DOOR_RAD if is_door_beside_open else _YAW_RAD
    rotation = hand_orientation(yaw=yaw + vary.jitter(0.1), pitch=0.45 + vary.jitter(0.1))
    open_position = 0.38 + vary.jitter(0.03)
    bar = view.site(HANDLE)
    beside_bar = bar + np.array([-0.05, 0.022, -0.10 + vary.jitter(0.02)])

    def push() -> np.ndarray:
        lead = min(0.12, 0.46 - view.coordinate(DOOR))
        return np.array([view.site(HANDLE)[0] - 0.036 + lead, beside_bar[1], beside_bar[2]])

    def is_open_or_missed() -> bool:
        passed_the_bar = view.coordinate(DOOR) < 0.02 and view.tool.position[0] > bar[0] + 0.04
        return view.coordinate(DOOR) > open_position or passed_the_bar

    in_front = beside_bar + (_FAR_IN_FRONT if is_door_beside_open else _IN_FRONT) + vary.jitter3(0.015, 0.015, 0.015)
    if is_door_beside_open and view.tool.position[0] < _FAR_LEFT_X:
        yield from motion.approach(ToolPose(_CLEAR_OF_DOOR, rotation), REST, GRIPPER_CLOSED, is_via=True)
    yield from motion.approach(ToolPose(in_front, rotation), REST, GRIPPER_CLOSED)
    yield from motion.follow(lambda: beside_bar, rotation, GRIPPER_CLOSED, speed=0.042, steps=14, tolerance_m=0.015)
    yield from motion.follow(
        push,
        rotation,
        GRIPPER_CLOSED,
        speed=0.045,
        steps=40,
        until=is_open_or_missed,
        rotation_weight=_ROTATION_WEIGHT,
    )
    yield from motion.retreat(0.08, GRIPPER_CLOSED)
