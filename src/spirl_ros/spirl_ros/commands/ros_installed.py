"""Tells that ROS 2 is missing before anything starts that needs it."""

import importlib.util


def require_ros() -> None:
    """Raise the ModuleNotFoundError that an import would, without importing; `errors.explain` has the next step."""
    for name in ("rclpy", "spirl_msgs"):
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
