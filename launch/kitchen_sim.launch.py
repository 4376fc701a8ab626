"""The simulated kitchen with what works in it; `ros2 launch spirl_ros kitchen_sim.launch.py --show-args` lists all."""

from launch import LaunchDescription
from spirl_ros.bringup.graphs import KITCHEN_SIM
from spirl_ros.bringup.launch_description import launch_description


def generate_launch_description() -> LaunchDescription:
    """Called by ros2 launch."""
    return launch_description(KITCHEN_SIM)
