"""The web page and RViz beside a graph that runs; `ros2 launch spirl_ros monitor.launch.py --show-args` lists all
arguments."""

from launch import LaunchDescription
from spirl_ros.bringup.graphs import MONITOR
from spirl_ros.bringup.launch_description import launch_description


def generate_launch_description() -> LaunchDescription:
    """Called by ros2 launch."""
    return launch_description(MONITOR)
