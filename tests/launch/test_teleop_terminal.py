"""A person at a terminal, with either launcher: nodes are started without a terminal, and still get its keys."""

import json
import os
import pty
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("spirl_msgs", reason="node tests need rclpy and spirl_msgs: make setup")
pytest.importorskip("mujoco")

from spirl_ros.arms.robot_configuration import read_robot, read_urdf
from spirl_ros.commands.main import main
from spirl_ros.demonstrations.storage import read_dataset
from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.shipped import shipped
from spirl_ros.teleoperation.urdf_kinematics import UrdfKinematics
from tests.launchers import launchers

LAUNCHERS = launchers("teleop", "viewer:=none")


class Terminal:
    """The person's end of a pseudo-terminal."""

    def __init__(self) -> None:
        self.person, self.program = pty.openpty()
        os.set_blocking(self.person, False)
        self.screen = ""
        self.before = self.settings()

    def wait_for(self, text: str, keys: bytes = b"", deadline_s: float = 40.0) -> None:
        """Press keys, again and again, until a text appears after this."""
        self.screen = ""
        end_s = time.monotonic() + deadline_s
        while text not in self.screen:
            assert time.monotonic() < end_s, f"waited for '{text}'; the terminal shows {self.screen[-2000:]}"
            os.write(self.person, keys)
            time.sleep(0.05)
            try:
                self.screen += os.read(self.person, 65536).decode(errors="ignore")
            except BlockingIOError:
                pass

    def settings(self) -> str:
        return subprocess.run(["stty", "-g"], stdin=self.program, capture_output=True, text=True, check=True).stdout


@contextmanager
def teleoperation(command: list[str], folder: Path) -> Iterator[tuple[Terminal, subprocess.Popen]]:
    """A person's terminal and what was started from it, which ends with the test."""
    terminal = Terminal()
    process = subprocess.Popen(
        [*command, f"record:={folder / 'recordings'}", "operator_name:=ann"],
        env={**os.environ, "ROS_LOG_DIR": str(folder / "log")},
        stdin=terminal.program,
        stdout=terminal.program,
        stderr=terminal.program,
    )
    try:
        yield terminal, process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=20.0)
        os.close(terminal.person)
        os.close(terminal.program)


@pytest.mark.parametrize("command", LAUNCHERS)
def test_person_records_an_episode_with_keys_alone_and_it_is_replayed(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with teleoperation(command, tmp_path) as (terminal, process):
        terminal.wait_for("not recording, 0 kept | 0/4 done, step")
        os.write(terminal.person, b"t")
        terminal.wait_for("RECORDING 1 s |", keys=b"d")
        terminal.wait_for("y success  n failure  x discard")
        os.write(terminal.person, b"y")
        terminal.wait_for("messages, verified")
        terminal.wait_for("not recording, 1 kept")
        os.write(terminal.person, b"y")  # a refusal after an answer ended the node once
        terminal.wait_for("no episode is being recorded. Start one first.")
        os.write(terminal.person, b"b")
        terminal.wait_for("the scene is reset: episode 2")
        os.write(terminal.person, b"q")
        terminal.wait_for(f"1 episode recorded. Next: spirl demos import {tmp_path / 'recordings'} --out")
        assert process.wait(timeout=20.0) == 0
        assert terminal.settings() == terminal.before
        assert [path.name for path in (tmp_path / "recordings").glob("episode_*")] == ["episode_000001"]
    data = tmp_path / "data"
    assert main(["demos", "import", str(tmp_path / "recordings"), "--only-successful", "--out", str(data)]) == 0
    (episode,) = read_dataset(data).episodes
    assert (episode.metadata.operator, episode.metadata.operator_style) == ("ann", None)
    assert episode.metadata.measurement_noise and episode.metadata.mujoco_version
    tool_path = KITCHEN.tool_positions(episode.observations)
    assert np.linalg.norm(tool_path - tool_path[0], axis=1).max() > 0.05
    assert main(["demos", "replay", str(data), "--from-observation", "--actions", "commands", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["replayed"] == 1
    assert figures["tool_error_mm_max"] < 10.0  # On a machine that keeps up, 2.5 at most.


@pytest.mark.parametrize("command", LAUNCHERS)
def test_demonstration_on_an_arm_is_recorded_with_keys_and_imported_with_its_motion(
    command: list[str], tmp_path: Path
) -> None:
    # A machine that tests share sends joint states and commands late, which half the rate and these settings forgive.
    file, params = tmp_path / "ur5e_at_10_hz.yaml", tmp_path / "params.yaml"
    text = shipped("config/robots/ur5e.yaml").read_text()
    file.write_text(text.replace("control_rate_hz: 20.0", "control_rate_hz: 10.0").replace("scale: 1.0", "scale: 2.0"))
    robot = read_robot("ur5e", file)
    assert (robot.control_rate_hz, robot.velocity_scale) == (10.0, 2.0)
    params.write_text(
        "teleop: {ros__parameters: {max_age_s: 1.0}}\nstand_in_arm: {ros__parameters: {acceleration_tolerance: 1000.0}}"
    )
    arguments = [
        "robot:=ur5e",
        f"robot_file:={file}",
        "use_fake_hardware:=true",
        "task:=press",
        f"params_file:={params}",
    ]
    with teleoperation([*command, *arguments], tmp_path) as (terminal, process):
        terminal.wait_for("not recording, 0 kept | t record")
        os.write(terminal.person, b"t")
        os.write(terminal.person, b"+" * 7)  # it begins with a quarter
        terminal.wait_for("RECORDING 2 s |", keys=b"s")
        os.write(terminal.person, b"y")
        terminal.wait_for("messages, verified")
        os.write(terminal.person, b"q")
        terminal.wait_for(f"Next: spirl demos import {tmp_path / 'recordings'} --robot {file} --out")
        assert process.wait(timeout=20.0) == 0
    imported = ["demos", "import", str(tmp_path / "recordings"), "--robot", str(file), "--only-successful"]
    assert main([*imported, "--out", str(tmp_path / "data")]) == 0
    dataset = read_dataset(tmp_path / "data")
    (episode,) = dataset.episodes
    assert (dataset.task, episode.metadata.operator) == ("press", "ann")
    assert episode.metadata.joint_names == robot.limits.joint_names
    begin, end = episode.observations[0], episode.observations[-1]
    np.testing.assert_allclose(begin, robot.home, atol=0.02)
    kinematics = UrdfKinematics(read_urdf(shipped("config/urdf/ur5e.urdf")), robot.limits, robot.tool_link)
    moved = kinematics.tool_position(end) - kinematics.tool_position(begin)
    assert moved[0] < -0.05 and np.abs(moved[1:]).max() < 0.3 * -moved[0]  # towards its base, along -x
    way = episode.actions.sum(axis=0) * robot.velocity_scale / robot.control_rate_hz
    np.testing.assert_allclose(way, end - begin, atol=1e-6)
    assert 0.02 < np.abs(episode.actions).max() <= 1.0
