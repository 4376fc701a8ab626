"""A person works in the simulated kitchen; `ros2 launch spirl_ros teleop.launch.py --show-args` lists all arguments."""

from launch import LaunchDescription
from spirl_ros.bringup import TELEOP
from spirl_ros.launch_description import launch_description


def generate_launch_description() -> LaunchDescription:
    """Called by ros2 launch."""
    return launch_description(TELEOP)
