"""Switches the light on: push the switch to the left with the closed fingers."""

import numpy as np

from spirl_ros.kitchen.arm_motion import GRIPPER_CLOSED, ArmMotion, Motion
from spirl_ros.kitchen.hand_orientation import hand_orientation
from spirl_ros.tasks.tool_point import ToolPose

REST = np.array([-0.82, -1.39, 1.32, -2.46, 0.2, 1.53, 1.1])
"""Posture (7,) [rad] in front of the switch."""


def switch_light(motion: ArmMotion) -> Motion:
    """One attempt. The switch's angle falls from 0 to its stop at -0.7."""
    view, vary = motion.view, motion.variation
    rotation = hand_orientation(yaw=-0.05 + vary.jitter(0.08), pitch=vary.jitter(0.08))
    right_of_switch = view.site("light_site") + np.array([0.0495, 0.006, 0.0]) + vary.jitter3(0.001, 0.006, 0.006)
    left_of_switch = right_of_switch + np.array([-0.115, 0.005, 0.0])

    in_front = right_of_switch + np.array([0.0, -0.09, 0.0]) + vary.jitter3(0.005, 0.015, 0.015)
    yield from motion.approach(ToolPose(in_front, rotation), REST, GRIPPER_CLOSED)
    yield from motion.follow(lambda: right_of_switch, rotation, GRIPPER_CLOSED, speed=0.042, steps=14)
    yield from motion.follow(
        lambda: left_of_switch,
        rotation,
        GRIPPER_CLOSED,
        speed=0.02,
        steps=20,
        until=lambda: view.coordinate("light_switch") < -0.66,
    )
    yield from motion.retreat(0.08, GRIPPER_CLOSED)
