"""Opens the microwave: hook the fingers over the handle and pull it along the door's arc."""

import numpy as np

from spirl_ros.kitchen.arm_motion import GRIPPER_CLOSED, GRIPPER_OPEN, ArmMotion, Motion
from spirl_ros.kitchen.hand_orientation import hand_orientation
from spirl_ros.kitchen.recipes.doors import handle_after_swing, has_slipped
from spirl_ros.tasks.tool_point import ToolPose

REST = np.array([-0.95, -1.65, 1.95, -1.78, -0.1, 1.42, 1.91])
"""Posture (7,) [rad] in front of the handle."""
HANDLE, DOOR = "microhandle_site", "microwave"

_INSERTION_M = 0.027
"""How far the tool point goes past the handle's axis; 1 cm slips off."""
_LEAD_RAD = 0.25
"""The hand pulls towards where the door will be this much later."""
_SLIPPED_M = 0.055


def open_microwave(motion: ArmMotion) -> Motion:
    """One attempt. The door's angle falls from 0; it is left at about -0.75."""
    view, vary = motion.view, motion.variation
    rotation = hand_orientation(yaw=0.25 + vary.jitter(0.06), pitch=-0.3 + vary.jitter(0.08))
    pointing = rotation[:, 2]
    grasp_offset = np.array([0.0, 0.0, 0.02]) + vary.jitter3(0.003, 0.003, 0.015)
    insertion = grasp_offset + _INSERTION_M * pointing
    open_angle = -0.80 + vary.jitter(0.05)

    def pull() -> np.ndarray:
        swing = max(-_LEAD_RAD, open_angle - 0.04 - view.coordinate(DOOR))
        return handle_after_swing(view, DOOR, HANDLE, swing) + insertion

    def is_open_or_lost() -> bool:
        is_lost = has_slipped(view, view.site(HANDLE) + grasp_offset, _SLIPPED_M)
        return is_lost or view.coordinate(DOOR) < open_angle + 0.06

    in_front = ToolPose(view.site(HANDLE) + grasp_offset - 0.09 * pointing, rotation)
    yield from motion.approach(in_front, REST, GRIPPER_OPEN)
    yield from motion.follow(lambda: view.site(HANDLE) + insertion, rotation, GRIPPER_OPEN, speed=0.042, steps=14)
    yield from motion.hold(GRIPPER_CLOSED, 3)
    yield from motion.follow(pull, rotation, GRIPPER_CLOSED, speed=0.04, steps=35, until=is_open_or_lost)
    yield from motion.hold(GRIPPER_OPEN, 3)
    yield from motion.retreat(0.09, GRIPPER_OPEN)
