"""A person moves a simulated arm or a real one; `… teleop.launch.py --show-args` lists all arguments."""

from launch import LaunchDescription
from spirl_ros.bringup.graphs import TELEOP
from spirl_ros.bringup.launch_description import launch_description


def generate_launch_description() -> LaunchDescription:
    """Called by ros2 launch."""
    return launch_description(TELEOP)
