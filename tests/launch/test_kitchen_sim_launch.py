"""The launch file under ROS 2 launch itself: with launch_testing, and as a user types it."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.launchers import needs_ros2

launch_testing = pytest.importorskip(
    "launch_testing", reason="ROS 2 launch is not installed here; its tests run with a full ROS 2 installation"
)


def environment_of(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "ROS_LOG_DIR": str(tmp_path)}


def launch(tmp_path: Path, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        ["ros2", "launch", "spirl_ros", "kitchen_sim.launch.py", "viewer:=none", *arguments],
        env=environment_of(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def node_processes(tmp_path: Path) -> list[str]:
    """Command lines of the nodes that this test's launch started; others may run beside them."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if f"ROS_LOG_DIR={tmp_path}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue  # Not a process, or one that has just ended.
    return [command for command in found if "--ros-args" in command and "spirl_ros" in command]


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


@needs_ros2
@pytest.mark.parametrize("policy", ["learned", "prior", "scripted"])
def test_episodes_end_the_launch_with_zero(tmp_path: Path, policy: str) -> None:
    process = launch(tmp_path, "rate:=lockstep", "episodes:=1", f"policy:={policy}")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "1 episodes: " in output
    assert not node_processes(tmp_path)


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
    # After SIGTERM the launcher may be gone before its nodes, which follow it when the arm is at rest.
    while node_processes(tmp_path):
        assert time.monotonic() - begin_s < 5.0
        time.sleep(0.05)
    assert time.monotonic() - begin_s < 5.0


@needs_ros2
@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("rat:=lockstep", "Did you mean rate"),
        ("rate:=fast", "lockstep"),
        ("task:=homework", "light_switch"),
        ("models:=no/such", "expected a folder that `spirl export` wrote"),
    ],
)
def test_bad_argument_is_told_and_nothing_is_left(tmp_path: Path, argument: str, told: str) -> None:
    process = launch(tmp_path, argument)
    output, _ = process.communicate(timeout=30)
    assert process.returncode != 0
    assert told in output
    assert not node_processes(tmp_path)


@needs_ros2
def test_node_that_fails_at_start_fails_the_launch(tmp_path: Path) -> None:
    params_file = tmp_path / "params.yaml"
    params_file.write_text("skill_policy: {ros__parameters: {pateince_s: 3.0}}")
    process = launch(tmp_path, f"params_file:={params_file}")
    output, _ = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "Did you mean patience_s" in output
    assert not node_processes(tmp_path)


@needs_ros2
def test_arguments_are_listed(tmp_path: Path) -> None:
    process = launch(tmp_path, "--show-args")
    output, _ = process.communicate(timeout=30)
    for name in (
        "models",
        "policy",
        "task",
        "rate",
        "episodes",
        "seed",
        "namespace",
        "params_file",
        "log_level",
        "autostart",
    ):
        assert f"'{name}':" in output
