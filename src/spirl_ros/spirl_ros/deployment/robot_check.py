"""Does a bundle fit a real arm: its joints, rate, action, observations, and above all its limits."""

import numpy as np

from spirl_ros.arms.robot_configuration import RATES, RobotConfiguration
from spirl_ros.control.velocity_action import COMMANDED
from spirl_ros.deployment.bundle_description import ActionMeaning, BundleDescription
from spirl_ros.errors import BundleError


def check_fits_robot(
    description: BundleDescription, robot: RobotConfiguration, scene_names: tuple[str, ...] | None = ()
) -> None:
    """Refuse a bundle that must not move this arm.

    Args:
        description: of the bundle.
        robot: the arm.
        scene_names: what is measured beside the joints; None when that is not known before it arrives.

    Raises:
        BundleError: what differs, and what to do.
    """
    names = robot.limits.joint_names
    description.check_fits(
        joint_names=names,
        observation_names=description.observation.names if scene_names is None else (*names, *scene_names),
        control_rate_hz=robot.control_rate_hz,
        # Relative to the measured position an error of the sensor becomes motion, and how fast depends on the arm's lag.
        action=ActionMeaning("joint_velocity", robot.velocity_scale, COMMANDED),
    )
    limits = description.joint_limits()
    for rate in RATES:
        mine, theirs = getattr(robot.limits, rate), getattr(limits, rate)
        is_wider = theirs < mine - _ROUNDING if rate == "position_lower" else theirs > mine + _ROUNDING
        if is_wider.any():
            worst = int(np.argmax(is_wider))
            raise BundleError(
                f"bundle '{description.name}' allows {names[worst]} a {rate} of {theirs[worst]:g}, but {robot.name} has "
                f"{mine[worst]:g}. Export it again with the limits of this arm."
            )


_ROUNDING = 1e-9
