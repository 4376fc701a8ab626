"""The recorder, beside whatever graph runs; `ros2 launch spirl_ros record.launch.py --show-args` lists its
arguments."""

from launch import LaunchDescription
from spirl_ros.bringup.graphs import RECORD
from spirl_ros.bringup.launch_description import launch_description


def generate_launch_description() -> LaunchDescription:
    """Called by ros2 launch."""
    return launch_description(RECORD)
