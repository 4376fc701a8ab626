"""The launch file that trains, under ROS 2 launch itself: a budget to its end, and on from there."""

import os
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("launch", reason="ROS 2 launch is not installed here; its tests run with a full ROS 2 installation")
pytest.importorskip("torch", reason="learning needs torch")
pytest.importorskip("onnxscript")
pytest.importorskip("mujoco")

from spirl_ros.rl.run import RlRun
from tests.commands.test_export import make_run
from tests.launchers import needs_ros2

pytestmark = [
    pytest.mark.slow,
    needs_ros2,
]
SETTINGS = "steps=500 batch_size=8 critic_hidden=8 critic_layers=1 offline_updates=0 demos_in_replay=false"


def launch(tmp_path: Path, *arguments: str) -> tuple[int, str]:
    result = subprocess.run(
        ["ros2", "launch", "spirl_ros", "train.launch.py", *arguments],
        env={**os.environ, "ROS_LOG_DIR": str(tmp_path / "log")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    return result.returncode, result.stdout + result.stderr


def test_budget_is_spent_and_a_finished_run_says_so(tmp_path: Path) -> None:
    skills = make_run(tmp_path / "skills").folder
    out = tmp_path / "run"
    code, output = launch(tmp_path, f"out:={out}", f"skills:={skills}", f"settings:={SETTINGS}")
    assert code == 0, output
    assert "episode 2: " in output and "finished: the budget of 500 control steps is spent" in output
    episodes = [values for values in RlRun.open(out).metrics() if values["part"] == "episode"]
    assert [values["step"] for values in episodes] == [280, 560]
    code, output = launch(tmp_path, f"out:={out}")
    assert code == 0 and "finished: the budget" in output and "episode 3" not in output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "out is empty"),
        (("out:=OUT",), "Give skills:="),
        (("out:=OUT", "skills:=OUT", "models:=nope"), "models is"),
    ],
)
def test_what_cannot_begin_is_told_before_anything_starts(tmp_path: Path, arguments: tuple, told: str) -> None:
    code, output = launch(tmp_path, *(argument.replace("OUT", str(tmp_path / "run")) for argument in arguments))
    assert code != 0 and told in output and "process started" not in output
