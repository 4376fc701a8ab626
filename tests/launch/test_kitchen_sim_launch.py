"""The launch file under ROS 2 launch itself: with launch_testing, and as a user types it."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

launch_testing = pytest.importorskip(
    "launch_testing", reason="ROS 2 launch is not installed here; its tests run with a full ROS 2 installation"
)

DOMAIN_ID = str(20 + os.getpid() % 80)


def environment_of(tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "ROS_DOMAIN_ID": DOMAIN_ID,
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_LOG_DIR": str(tmp_path),
    }


def launch(tmp_path: Path, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        ["ros2", "launch", "spirl_ros", "kitchen_sim.launch.py", *arguments],
        env=environment_of(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def node_processes() -> list[str]:
    listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listing.splitlines() if "--ros-args" in line and "spirl_ros" in line]


def test_graph_comes_up_acts_and_shuts_down_under_launch_testing(tmp_path: Path) -> None:
    """Runs kitchen_sim_description.py, a launch_testing description with active and post-shutdown tests."""
    result = subprocess.run(
        ["launch_test", str(Path(__file__).with_name("kitchen_sim_description.py"))],
        env=environment_of(tmp_path),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stdout + result.stderr


needs_ros2 = pytest.mark.skipif(shutil.which("ros2") is None, reason="the command ros2 is not installed here")


@needs_ros2
def test_episodes_end_the_launch_with_zero(tmp_path: Path) -> None:
    process = launch(tmp_path, "rate:=lockstep", "episodes:=1")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "1 episodes: " in output
    assert not node_processes()


@needs_ros2
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_launch_in_time(tmp_path: Path, number: signal.Signals) -> None:
    process = launch(tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if "done at step" in line:
            break
    begin_s = time.monotonic()
    process.send_signal(number)
    process.communicate(timeout=20)
    assert time.monotonic() - begin_s < 5.0
    assert not node_processes()


@needs_ros2
@pytest.mark.parametrize(
    ("argument", "told"),
    [("rat:=lockstep", "Did you mean rate"), ("rate:=fast", "lockstep"), ("task:=homework", "light_switch")],
)
def test_bad_argument_is_told_and_nothing_is_left(tmp_path: Path, argument: str, told: str) -> None:
    process = launch(tmp_path, argument)
    output, _ = process.communicate(timeout=30)
    assert process.returncode != 0
    assert told in output
    assert not node_processes()


@needs_ros2
def test_node_that_fails_at_start_fails_the_launch(tmp_path: Path) -> None:
    params_file = tmp_path / "params.yaml"
    params_file.write_text("scripted_operator: {ros__parameters: {pateince_s: 3.0}}")
    process = launch(tmp_path, f"params_file:={params_file}")
    output, _ = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "Did you mean patience_s" in output
    assert not node_processes()


@needs_ros2
def test_arguments_are_listed(tmp_path: Path) -> None:
    process = launch(tmp_path, "--show-args")
    output, _ = process.communicate(timeout=30)
    for name in ("task", "rate", "episodes", "seed", "namespace", "params_file", "log_level", "autostart"):
        assert f"'{name}':" in output
