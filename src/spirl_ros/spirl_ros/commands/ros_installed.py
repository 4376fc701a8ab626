"""Tells that ROS 2 is missing, or its domain wrong, before anything starts that needs it."""

import importlib.util
import os

from spirl_ros.bringup.ros_domain import check_domain


def require_ros() -> None:
    """Raise the ModuleNotFoundError that an import would, without importing; `errors.explain` has the next step.

    Raises:
        ConfigError: ROS_DOMAIN_ID is none.
    """
    for name in ("rclpy", "spirl_msgs"):
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    check_domain(os.environ)
