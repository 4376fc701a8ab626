"""Opens the right door of the hinge cabinet: grasp its bar, swing it, then duck out from under it."""

import numpy as np

from spirl_ros.kitchen.arm_motion import GRIPPER_CLOSED, GRIPPER_OPEN, ArmMotion, Motion
from spirl_ros.kitchen.hand_orientation import hand_orientation
from spirl_ros.kitchen.recipes.doors import handle_after_swing, has_slipped
from spirl_ros.tasks.tool_point import ToolPose

REST = np.array([-1.06, -1.35, 1.12, -1.76, 0.06, 1.36, 1.12])
"""Posture (7,) [rad] in front of the bar."""
HANDLE, DOOR = "hinge_site2", "right_hinge_cabinet"

OPEN_RAD = 1.28
"""Opened no further: a door at 1.42 is in the way of the slide cabinet and the light."""
_INSERTION_M = 0.032
_LEAD_RAD = 0.28
_SLIPPED_M = 0.06


def open_hinge_cabinet(motion: ArmMotion) -> Motion:
    """One attempt. The door's angle rises from 0; it is left at about 1.3."""
    view, vary = motion.view, motion.variation
    pitch = 0.2 + vary.jitter(0.08)
    rotation = hand_orientation(yaw=0.05 + vary.jitter(0.08), pitch=pitch)
    pointing = rotation[:, 2]
    grasp_offset = np.array([0.0, 0.0, -0.035 + vary.jitter(0.025)])
    insertion = grasp_offset + _INSERTION_M * pointing
    open_angle = OPEN_RAD + vary.jitter(0.05)

    def pull() -> np.ndarray:
        swing = min(_LEAD_RAD, open_angle + 0.1 - view.coordinate(DOOR))
        return handle_after_swing(view, DOOR, HANDLE, swing) + insertion

    def is_open_or_lost() -> bool:
        is_lost = has_slipped(view, view.site(HANDLE) + grasp_offset, _SLIPPED_M)
        return is_lost or view.coordinate(DOOR) > open_angle

    in_front = ToolPose(view.site(HANDLE) + grasp_offset - 0.09 * pointing, rotation)
    yield from motion.approach(in_front, REST, GRIPPER_OPEN)
    yield from motion.follow(lambda: view.site(HANDLE) + insertion, rotation, GRIPPER_OPEN, speed=0.042, steps=14)
    yield from motion.hold(GRIPPER_CLOSED, 3)
    yield from motion.follow(pull, rotation, GRIPPER_CLOSED, speed=0.04, steps=40, until=is_open_or_lost)
    yield from motion.hold(GRIPPER_OPEN, 3)
    yield from motion.retreat(0.08, GRIPPER_OPEN)
    if view.is_done("hinge_cabinet"):
        yield from motion.retreat(0.03, GRIPPER_OPEN, up_m=-0.17)  # the open door hangs where the hand came from
