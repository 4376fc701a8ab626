"""Turns on a burner: push the grip bar of its knob to the right with the closed fingers."""

import math
from collections import deque

import numpy as np

from spirl_ros.kitchen.arm_motion import GRIPPER_CLOSED, ArmMotion, Motion
from spirl_ros.kitchen.hand_orientation import hand_orientation
from spirl_ros.tasks.tool_point import ToolPose

BOTTOM_REST = np.array([-0.82, -1.40, 1.33, -2.5, 0.25, 1.55, 1.1])
TOP_REST = np.array([-0.85, -1.30, 1.15, -2.25, 0.7, 1.2, 1.0])
"""Postures (7,) [rad] in front of the knobs."""

_DEPTH_Y_M = 0.635
"""Where the tool point pushes. 2 cm deeper the fingertips rub on the knob's disc, and the knob sticks."""
_CONTACT_RADIUS_M = 0.020
"""Where the fingers' lower corner touches the bar, from the knob's axis; the bar ends at 48 mm."""
_HALF_BAR_M, _HALF_FINGERS_M, _EDGE_M = 0.014, 0.016, 0.007
"""Half thickness of the bar and of the upright block that the closed fingers are, and the radius of its edges."""
_LEAD_RAD = 0.45
_LEAD_X_M = 0.045
"""The hand pushes towards where the bar will be, and further: a knob's damping is large."""
_HEIGHT_GAIN = 0.35
"""Share of the height error that is made up for per control step: the fingers want to climb over the bar."""
_PATIENCE_STEPS, _LEAST_TURN_RAD = 10, 0.05
"""A knob that turned less in so many control steps is stuck: better to start again."""


def turn_bottom_burner(motion: ArmMotion) -> Motion:
    """One attempt at the lower left knob."""
    return _turn_knob(motion, "knob2_site", "knob_Joint_2", BOTTOM_REST, on_angle=0.84, pitch=-0.03)


def turn_top_burner(motion: ArmMotion) -> Motion:
    """One attempt at the upper left knob; under an open hinge door the hand goes nose up, as it hangs low there."""
    pitch = 0.25 if motion.view.coordinate("right_hinge_cabinet") > 0.3 else 0.08
    return _turn_knob(motion, "knob4_site", "knob_Joint_4", TOP_REST, on_angle=0.90, pitch=pitch)


def _turn_knob(motion: ArmMotion, site: str, joint: str, rest: np.ndarray, *, on_angle: float, pitch: float) -> Motion:
    """Turn a knob to the right until `on_angle` [rad]; its bar points up at 0. Its joint counts the other way round."""
    view, vary = motion.view, motion.variation
    rotation = hand_orientation(yaw=-0.1 + vary.jitter(0.1), pitch=pitch + vary.jitter(0.08))
    on_angle += vary.jitter(0.08)
    axis = view.site(site)
    left_of_bar = np.array([axis[0] - 0.038, _DEPTH_Y_M, axis[2] + 0.030])
    height_correction = 0.0
    recent_angles: deque[float] = deque(maxlen=_PATIENCE_STEPS)

    def push() -> np.ndarray:
        nonlocal height_correction
        angle = -view.coordinate(joint)
        x, z = _fingers_on_bar(min(angle + _LEAD_RAD, on_angle + 0.3))
        height_error = axis[2] + _fingers_on_bar(angle)[1] - view.tool.position[2]
        height_correction = min(max(height_correction + _HEIGHT_GAIN * height_error, -0.015), 0.01)
        return np.array([axis[0] + x + _LEAD_X_M, _DEPTH_Y_M, axis[2] + z + height_correction])

    def is_on_or_stuck() -> bool:
        recent_angles.append(-view.coordinate(joint))
        is_stuck = len(recent_angles) == _PATIENCE_STEPS and recent_angles[-1] - recent_angles[0] < _LEAST_TURN_RAD
        return is_stuck or recent_angles[-1] > on_angle

    in_front = left_of_bar + np.array([-0.006, -0.09, 0.0]) + vary.jitter3(0.0045, 0.015, 0.0045)
    yield from motion.approach(ToolPose(in_front, rotation), rest, GRIPPER_CLOSED)
    yield from motion.follow(lambda: left_of_bar, rotation, GRIPPER_CLOSED, speed=0.042, steps=14, tolerance_m=0.01)
    yield from motion.follow(push, rotation, GRIPPER_CLOSED, speed=0.035, steps=30, until=is_on_or_stuck)
    yield from motion.retreat(0.08, GRIPPER_CLOSED)


def _fingers_on_bar(angle: float) -> tuple[float, float]:
    """Where the fingers' middle is, (x, z) [m] from the knob's axis, as they touch a bar turned by `angle`."""
    sin, cos = math.sin(angle), math.cos(angle)
    along_bar = _CONTACT_RADIUS_M + _HALF_FINGERS_M * (cos - sin)
    from_middle = _HALF_BAR_M + (_HALF_FINGERS_M - _EDGE_M) * (cos + sin) + _EDGE_M  # a block with rounded edges
    return along_bar * sin - from_middle * cos, along_bar * cos + from_middle * sin
