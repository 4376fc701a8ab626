"""A person at a terminal, with either launcher: nodes are started without a terminal, and still get its keys."""

import os
import pty
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("spirl_msgs", reason="node tests need rclpy and spirl_msgs: make setup")
pytest.importorskip("mujoco")

LAUNCHERS = [
    pytest.param([sys.executable, "-m", "spirl_ros.commands.main", "up", "teleop", "viewer:=none"], id="spirl up"),
    pytest.param(
        ["ros2", "launch", "spirl_ros", "teleop.launch.py", "viewer:=none"],
        id="ros2 launch",
        marks=pytest.mark.skipif(shutil.which("ros2") is None, reason="the command ros2 is not installed here"),
    ),
]


class Terminal:
    """The person's end of a pseudo-terminal."""

    def __init__(self) -> None:
        self.person, self.program = pty.openpty()
        os.set_blocking(self.person, False)
        self.screen = ""

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


@pytest.mark.parametrize("command", LAUNCHERS)
def test_person_records_an_episode_with_keys_alone(command: list[str], tmp_path: Path) -> None:
    terminal = Terminal()
    before = terminal.settings()
    process = subprocess.Popen(
        [*command, f"record:={tmp_path / 'recordings'}", "operator_name:=ann", "viewer:=none"],
        env={
            **os.environ,
            "ROS_DOMAIN_ID": str(20 + (os.getpid() + time.monotonic_ns() // 1_000_000) % 80),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "ROS_LOG_DIR": str(tmp_path / "log"),
        },
        stdin=terminal.program,
        stdout=terminal.program,
        stderr=terminal.program,
    )
    try:
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
        assert terminal.settings() == before
        assert [path.name for path in (tmp_path / "recordings").glob("episode_*")] == ["episode_000001"]
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=20.0)
        os.close(terminal.person)
        os.close(terminal.program)
