"""The launch file of the recorder, under ROS 2 launch itself, beside the kitchen's."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("launch", reason="ROS 2 launch is not installed here; its tests run with a full ROS 2 installation")
pytest.importorskip("mujoco")

from tests.launchers import needs_ros2

pytestmark = needs_ros2


def launch(tmp_path: Path, file: str, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        ["ros2", "launch", "spirl_ros", f"{file}.launch.py", *arguments],
        env={**os.environ, "ROS_LOG_DIR": str(tmp_path / "log")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_episode_of_the_graph_beside_it_is_recorded_and_a_signal_ends_it_cleanly(tmp_path: Path) -> None:
    recorder = launch(tmp_path, "record", f"folder:={tmp_path / 'recordings'}", "start:=each_episode")
    try:
        assert recorder.stdout is not None
        said = ""
        while "ready to record" not in said:  # the end of its output is an empty line
            line = recorder.stdout.readline()
            assert line, said
            said += line
        kitchen = launch(tmp_path, "kitchen_sim", "viewer:=none", "rate:=lockstep", "episodes:=1")
        output, _ = kitchen.communicate(timeout=90)
        assert kitchen.returncode == 0, output
    finally:
        recorder.send_signal(signal.SIGINT)
        said, _ = recorder.communicate(timeout=30)
    assert recorder.returncode == 0, said
    (bag,) = (tmp_path / "recordings").glob("episode_*")
    assert (bag / "metadata.yaml").is_file(), said
