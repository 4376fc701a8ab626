"""The ROS 2 distribution that is sourced in this shell, if one is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workspace.problem import SetupProblem

TOO_OLD = frozenset(
    "ardent bouncy crystal dashing eloquent foxy galactic humble iron kinetic lunar melodic noetic".split()
)
"""Distributions before Jazzy, the last four of them of ROS 1."""


@dataclass(frozen=True)
class Distribution:
    """A sourced ROS 2 distribution."""

    name: str
    """As in ROS_DISTRO, for example jazzy."""
    prefix: Path
    """The install prefix that holds rclpy."""
    python_version: str
    """Major and minor version of the Python it was built for, for example 3.12."""


def sourced_distribution(environment: Mapping[str, str], venv: Path) -> Distribution | None:
    """Find the sourced distribution. The wheels in our own environment are none.

    Raises:
        SetupProblem: what is sourced is older than Jazzy, or has no rclpy.
    """
    name = environment.get("ROS_DISTRO", "")
    prefixes = [Path(entry) for entry in environment.get("AMENT_PREFIX_PATH", "").split(":") if entry]
    prefixes = [prefix for prefix in prefixes if venv != prefix and venv not in prefix.parents]
    if name in TOO_OLD:
        raise SetupProblem(
            f"ROS {name} is sourced in this shell, needed is ROS 2 Jazzy or newer. "
            "Source a newer one, or open a shell without it: the set-up then takes ROS 2 from Python wheels."
        )
    if not name or not prefixes:
        return None
    for prefix in prefixes:
        for folder in sorted(prefix.glob("lib/python3*/*-packages/rclpy")) + sorted(
            prefix.glob("local/lib/python3*/*-packages/rclpy")
        ):
            version = re.search(r"python(3\.\d+)/", f"{folder}/")
            if version:
                return Distribution(name, prefix, version.group(1))
    raise SetupProblem(
        f"ROS 2 {name} is sourced in this shell, but none of AMENT_PREFIX_PATH has rclpy. "
        f"Debian, Ubuntu: sudo apt install ros-{name}-ros-base; or open a shell without it: wheels are taken then."
    )
