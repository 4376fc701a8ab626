from pathlib import Path

import pytest

from workspace.distribution import Distribution, sourced_distribution
from workspace.problem import SetupProblem

VENV = Path("/clone/.venv")


def test_no_distribution_without_a_sourced_one(tmp_path):
    assert sourced_distribution({}, VENV) is None
    assert sourced_distribution({"ROS_DISTRO": "jazzy"}, VENV) is None
    assert sourced_distribution({"AMENT_PREFIX_PATH": str(tmp_path)}, VENV) is None


@pytest.mark.parametrize("modules", ["lib/python3.12/site-packages", "local/lib/python3.12/dist-packages"])
@pytest.mark.parametrize("name", ["jazzy", "kilted", "rolling", "a-name-of-tomorrow"])
def test_sourced_distribution_is_found_behind_an_overlay(tmp_path, modules, name):
    (tmp_path / "opt" / modules / "rclpy").mkdir(parents=True)
    environment = {"ROS_DISTRO": name, "AMENT_PREFIX_PATH": f"{tmp_path / 'overlay'}:{tmp_path / 'opt'}"}
    assert sourced_distribution(environment, VENV) == Distribution(name, tmp_path / "opt", "3.12")


def test_our_own_environment_is_no_distribution():
    prefixes = f"{VENV}/colcon/install/spirl_msgs:{VENV}"
    assert sourced_distribution({"ROS_DISTRO": "jazzy", "AMENT_PREFIX_PATH": prefixes}, VENV) is None


def test_distribution_before_jazzy_is_refused_even_without_prefixes():
    with pytest.raises(SetupProblem, match="Jazzy or newer"):
        sourced_distribution({"ROS_DISTRO": "humble"}, VENV)


def test_distribution_without_rclpy_is_refused(tmp_path):
    with pytest.raises(SetupProblem, match="ros-jazzy-ros-base"):
        sourced_distribution({"ROS_DISTRO": "jazzy", "AMENT_PREFIX_PATH": str(tmp_path)}, VENV)
