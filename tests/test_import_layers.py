"""Learning and control code never needs ROS; the robot process never needs torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "spirl_ros" / "spirl_ros"

ROS_MODULES = {"rclpy", "launch", "launch_ros", "spirl_msgs", "std_msgs", "sensor_msgs", "rcl_interfaces"}
MAY_IMPORT_ROS = ("nodes/", "bringup/launch_description.py")
NEVER_TORCH = ("control/", "arms/", "tasks/", "teleoperation/", "monitoring/", "nodes/", "deployment/")

THE_TABLE = "tasks/families.py"


def imports_of(path: Path) -> set[str]:
    """Top-level packages that a file imports, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_stay_in_their_layer(path: Path) -> None:
    relative, imported = path.relative_to(PACKAGE).as_posix(), imports_of(path)
    if not relative.startswith(MAY_IMPORT_ROS):
        assert not imported & ROS_MODULES
    if relative.startswith(NEVER_TORCH):
        assert "torch" not in imported


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_engine_names_no_task_family(path: Path) -> None:
    """A task is an addition: a folder that nothing imports but the table of families, by its name in a text."""
    relative, text = path.relative_to(PACKAGE).as_posix(), path.read_text()
    for family in ("kitchen", "maze"):
        if not relative.startswith(f"{family}/") and relative != THE_TABLE:
            assert f"spirl_ros.{family}" not in text


def test_robot_processes_do_not_load_torch() -> None:
    """What is imported at run time, through however many others."""
    pytest.importorskip("rclpy")
    code = (
        "import sys; import spirl_ros.nodes.mujoco_sim, spirl_ros.nodes.scripted_operator, spirl_ros.nodes.teleop; "
        "import spirl_ros.nodes.skill_executor, spirl_ros.nodes.skill_policy, spirl_ros.nodes.trainer; "
        "import spirl_ros.nodes.monitor, spirl_ros.nodes.scene_markers; "
        "assert 'torch' not in sys.modules, 'torch'; assert 'gymnasium' not in sys.modules, 'gymnasium'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_real_arm_needs_no_simulator() -> None:
    """On a robot's computer mujoco is not installed."""
    pytest.importorskip("rclpy")
    code = (
        "import sys; import spirl_ros.nodes.skill_executor, spirl_ros.nodes.stand_in_arm, spirl_ros.nodes.trainer; "
        "import spirl_ros.nodes.teleop; "  # until it is told which arm
        "assert 'mujoco' not in sys.modules, 'mujoco'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_learning_side_does_not_load_rclpy() -> None:
    code = "import sys; import spirl_ros.commands.main; assert 'rclpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
