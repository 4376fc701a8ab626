"""Limits of the simulated kitchen's arm, chosen so that they do not disturb the task."""

import numpy as np

from spirl_ros.control.joint_limits import JointLimits

CONTROL_PERIOD_S = 0.08
"""One control step: 40 physics steps of 2 ms, 12.5 Hz, as in D4RL's kitchen."""
KITCHEN_VELOCITY_SCALE = 2.0
"""Joint velocity of an action of 1 [rad/s, m/s], as in D4RL's kitchen."""

ARM_VELOCITY_RAD_S = 3.5
ARM_ACCELERATION_RAD_S2 = 60.0
"""Between set-points 0.08 s apart. They jump, because each leads the measured position by what the action asks: over
40 demonstrations with the noise they are collected with, the largest were 3.1 rad/s and 48 rad/s², 99.9 % were below
2.7 rad/s and 37 rad/s². The arm itself, behind its soft servos, is slower. They are no limits of a real arm."""


def kitchen_joint_limits(
    joint_names: tuple[str, ...], position_lower: np.ndarray, position_upper: np.ndarray
) -> JointLimits:
    """Limits for joint commands (Da,) that are held for one control period.

    The position range is that of the scene's robot configuration. A finger may cross its range in one period, as an
    action of 1 asks, and turn round in the next. Braking reaches the full deceleration in two periods.
    """
    finger_velocity = (position_upper - position_lower) / CONTROL_PERIOD_S
    is_finger = np.array(["finger" in name for name in joint_names])
    acceleration = np.where(is_finger, 2.0 * finger_velocity / CONTROL_PERIOD_S, ARM_ACCELERATION_RAD_S2)
    return JointLimits(
        joint_names=joint_names,
        position_lower=position_lower,
        position_upper=position_upper,
        velocity=np.where(is_finger, finger_velocity, ARM_VELOCITY_RAD_S),
        acceleration=acceleration,
        jerk=acceleration / (2.0 * CONTROL_PERIOD_S),
    )
