"""On a pseudo-terminal, as a terminal emulator would have it at its other end."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator

import pytest

from spirl_ros.errors import ConfigError
from spirl_ros.teleoperation.keyboard import SHORT_HELP
from spirl_ros.teleoperation.terminal import TERMINAL_VARIABLE, Terminal, terminal_path


@pytest.fixture
def ends() -> Iterator[tuple[int, int, str]]:
    """The person's end, the program's end, and the path of that."""
    person, program = pty.openpty()
    fcntl.ioctl(program, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    os.set_blocking(person, False)
    yield person, program, os.ttyname(program)
    os.close(person)
    os.close(program)


def shown(person: int, until: str = "", deadline_s: float = 5.0) -> str:
    """What appeared on the person's screen."""
    text, end_s = "", time.monotonic() + deadline_s
    while time.monotonic() < end_s:
        try:
            text += os.read(person, 65536).decode()
        except BlockingIOError:
            time.sleep(0.01)
        if until and until in text:
            break
    return text


def keys_of(terminal: Terminal, count: int) -> list[str]:
    keys, end_s = [], time.monotonic() + 5.0
    while len(keys) < count and time.monotonic() < end_s:
        keys += terminal.read_keys()
    return keys


def test_keys_arrive_one_by_one_without_echo_and_signals_stay(ends) -> None:
    person, program, path = ends
    terminal = Terminal(path)
    os.write(person, b"w\x1b[A ")
    assert keys_of(terminal, 3) == ["w", "up", " "]
    assert terminal.read_keys() == []
    local_flags = termios.tcgetattr(program)[3]
    assert not local_flags & termios.ECHO and local_flags & termios.ISIG
    terminal.close()


def test_terminal_is_as_before_after_closing(ends) -> None:
    person, program, path = ends
    before = termios.tcgetattr(program)
    terminal = Terminal(path)
    terminal.show_status("moving", "w ahead")
    assert "moving" in shown(person, "moving")
    assert termios.tcgetattr(program) != before
    terminal.close()
    terminal.close()
    assert termios.tcgetattr(program) == before
    assert "\x1b[r" in shown(person, "\x1b[r")  # the whole screen scrolls again


def test_terminal_is_as_before_when_the_process_is_killed(ends) -> None:
    person, program, path = ends
    before = termios.tcgetattr(program)
    code = (
        "import sys, time; from spirl_ros.teleoperation.terminal import Terminal; "
        "terminal = Terminal(sys.argv[1]); terminal.show_status('moving', 'w ahead'); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, path])
    assert "moving" in shown(person, "moving", deadline_s=20.0)
    process.send_signal(signal.SIGKILL)
    process.wait()
    end_s = time.monotonic() + 5.0
    while termios.tcgetattr(program) != before:
        assert time.monotonic() < end_s
        time.sleep(0.02)


def test_bottom_lines_are_cut_to_the_width_and_what_the_keys_do_is_always_in_sight(ends) -> None:
    """It once stood at the end of the one line, behind what a narrow terminal shows."""
    person, _, path = ends
    terminal = Terminal(path)
    terminal.show_status("x" * 500, SHORT_HELP)
    screen = shown(person, deadline_s=0.3)
    assert screen.count("x") == 79
    assert SHORT_HELP in screen
    assert "\x1b[1;22r" in screen  # the lines above them scroll
    terminal.close()


def test_what_is_no_terminal_is_refused(tmp_path) -> None:
    for path in ("/no/such/terminal", str(tmp_path / "file")):
        (tmp_path / "file").write_text("")
        with pytest.raises(ConfigError, match="keyboard to none"):
            Terminal(path)


def test_launcher_says_where_its_terminal_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TERMINAL_VARIABLE, "/dev/pts/99")
    assert terminal_path() == "/dev/pts/99"
