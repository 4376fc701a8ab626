"""Moves the kettle to the back burner: grasp its handle from above, lift, carry, put down."""

import mujoco
import numpy as np

from spirl_ros.kitchen.arm_motion import GRIPPER_CLOSED, GRIPPER_OPEN, ArmMotion, Motion
from spirl_ros.kitchen.hand_orientation import hand_orientation
from spirl_ros.tasks.tool_point import ToolPose

REST = np.array([-0.28, -1.42, 1.63, -2.68, 1.1, 0.69, 2.35])
"""Posture (7,) [rad] above and before the kettle."""
HANDLE = "kettle_site"

_INSERTION_M = 0.028
_LIFT_M = 0.065
"""A lift of 1 cm drags the kettle and tips it over."""
_SLIPPED_M = 0.05


def move_kettle(motion: ArmMotion) -> Motion:
    """One attempt. The handle ends above (-0.235, 0.71), a little before the goal, where the arm still reaches well."""
    view, vary = motion.view, motion.variation
    rotation = hand_orientation(yaw=-0.25 + vary.jitter(0.08), pitch=-0.9 + vary.jitter(0.06), roll=np.pi / 2)
    pointing = rotation[:, 2]
    along_handle = np.array([vary.jitter(0.02), 0.0, 0.0])
    insertion = along_handle + _INSERTION_M * pointing
    lift = _LIFT_M + vary.jitter(0.004)
    start = view.site(HANDLE)
    goal = np.array([-0.235 + vary.jitter(0.02), 0.71 + vary.jitter(0.04), start[2]])
    above = np.array([0.0, 0.0, lift])

    def has_slipped() -> bool:
        return mujoco.mju_norm3(view.tool.position - view.site(HANDLE) - insertion) > _SLIPPED_M

    def is_there_or_lost() -> bool:
        return has_slipped() or mujoco.mju_norm((view.site(HANDLE) - goal)[:2]) < 0.03

    yield from motion.approach(ToolPose(start + along_handle - 0.10 * pointing, rotation), REST, GRIPPER_OPEN)
    yield from motion.follow(
        lambda: view.site(HANDLE) + insertion, rotation, GRIPPER_OPEN, speed=0.042, steps=14, tolerance_m=0.01
    )
    yield from motion.hold(GRIPPER_CLOSED, 3)
    lifted = view.site(HANDLE) + np.array([0.0, 0.03, lift]) + insertion
    yield from motion.follow(lambda: lifted, rotation, GRIPPER_CLOSED, speed=0.03, steps=8, tolerance_m=0.015)
    yield from motion.follow(
        lambda: goal + above + insertion, rotation, GRIPPER_CLOSED, speed=0.04, steps=30, until=is_there_or_lost
    )
    lowered = goal + np.array([0.0, 0.0, -0.005]) + insertion
    yield from motion.follow(lambda: lowered, rotation, GRIPPER_CLOSED, speed=0.025, steps=8)
    yield from motion.hold(GRIPPER_OPEN, 3)
    yield from motion.retreat(0.11, GRIPPER_OPEN)
