"""Both ways to start a graph, as parameters of a test."""

import shutil
import sys

import pytest

needs_ros2 = pytest.mark.skipif(shutil.which("ros2") is None, reason="the command ros2 is not installed here")
"""It is on no package registry: these tests run where a distribution, or a build of ros2cli, is sourced."""


def launchers(graph: str, *arguments: str) -> list:
    """Command lines that start a graph such as `teleop`, or `{}` for one that is filled in later."""
    up = [sys.executable, "-m", "spirl_ros.commands.main", "up", graph, *arguments]
    launch = ["ros2", "launch", "spirl_ros", f"{graph}.launch.py", *arguments]
    return [pytest.param(up, id="spirl up"), pytest.param(launch, id="ros2 launch", marks=needs_ros2)]
