"""The launch file of real arms under ROS 2 launch itself, with a stand-in for the hardware."""

import os
import subprocess
from pathlib import Path

import pytest

pytest.importorskip(
    "launch_testing", reason="ROS 2 launch is not installed here; its tests run with a full ROS 2 installation"
)
pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

from spirl_ros.arms.robot_configuration import read_robot
from tests.launchers import needs_ros2
from tests.nodes.arm_bundle import write_arm_bundle

# A machine that tests share sends states and commands late.
PARAMS = """
skill_executor: {ros__parameters: {max_age_s: 0.5}}
stand_in_arm: {ros__parameters: {acceleration_tolerance: 1000.0}}
"""


def environment_of(tmp_path: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "ROS_LOG_DIR": str(tmp_path / "log"), **more}


@pytest.mark.parametrize("robot", ["ur5e", "fr3"])
def test_skills_run_on_the_stand_in_under_launch_testing(tmp_path: Path, robot: str) -> None:
    """Runs real_arm_description.py, a launch_testing description with active and post-shutdown tests."""
    params = tmp_path / "params.yaml"
    params.write_text(PARAMS)
    bundle = write_arm_bundle(tmp_path / "bundle", read_robot(robot))
    result = subprocess.run(
        ["launch_test", str(Path(__file__).with_name("real_arm_description.py"))],
        env=environment_of(tmp_path, TEST_ROBOT=robot, TEST_BUNDLE=str(bundle), TEST_PARAMS=str(params)),
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert result.returncode == 0, result.stdout + result.stderr


@needs_ros2
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("robot:=kuka",), "ur5e"),
        (("robot:=fr3",), "bundle is empty"),
        (("robot:=generic", "bundle:=BUNDLE"), "does not move without limits"),
        (("robot:=fr3", "bundle:=BUNDLE"), "but here are fr3_joint1"),
    ],
)
def test_what_does_not_fit_is_told_and_nothing_is_started(tmp_path: Path, arguments: tuple, told: str) -> None:
    bundle = write_arm_bundle(tmp_path / "bundle", read_robot("ur5e"))
    given = [argument.replace("BUNDLE", str(bundle)) for argument in arguments]
    result = subprocess.run(
        ["ros2", "launch", "spirl_ros", "real_arm.launch.py", *given],
        env=environment_of(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
    )
    output = result.stdout + result.stderr
    assert result.returncode != 0 and told in output
    assert "process started" not in output
