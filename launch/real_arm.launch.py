"""Skills on a real arm, or on a stand-in for it; `ros2 launch spirl_ros real_arm.launch.py --show-args` lists all
arguments."""

from launch import LaunchDescription
from spirl_ros.bringup.graphs import REAL_ARM
from spirl_ros.bringup.launch_description import launch_description


def generate_launch_description() -> LaunchDescription:
    """Called by ros2 launch."""
    return launch_description(REAL_ARM)
