"""The terminal that a person sits at: keys one by one, two lines at the bottom, and everything as before at the end."""

import os
import shutil
import subprocess
import sys
import termios
import tty

from spirl_ros.errors import ConfigError
from spirl_ros.teleoperation.keyboard import split_keys

TERMINAL_VARIABLE = "SPIRL_TERMINAL"
"""Environment variable with the path of the launcher's terminal: nodes are started without one."""

_KEEP_CURSOR, _BACK_TO_CURSOR, _WHOLE_SCREEN = "\x1b7", "\x1b8", "\x1b[r"
_GUARD = 'cat >/dev/null; stty "$1" <"$2"; printf "\\0337\\033[r\\033[%s;1H\\033[J\\0338" "$3" >"$2"'
_BOTTOM_LINES = 2


def terminal_environment() -> dict[str, str]:
    """What a launcher tells its nodes: the path of the terminal on its standard input, if that is one."""
    if sys.stdin is None or not sys.stdin.isatty():
        return {}
    return {TERMINAL_VARIABLE: os.ttyname(sys.stdin.fileno())}


def terminal_path() -> str | None:
    """Path of the terminal that the user started us from, or None."""
    return {**terminal_environment(), **os.environ}.get(TERMINAL_VARIABLE)


class Terminal:
    """Reads keys without waiting for a line's end and shows two lines below everybody's output.

    Signals (Ctrl-C) stay as they are. A guard process gives the terminal back even when this process is killed.
    """

    def __init__(self, path: str) -> None:
        """Take over a terminal.

        Raises:
            ConfigError: there is no such terminal.
        """
        try:
            self._file = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            self._before = termios.tcgetattr(self._file)
        except (OSError, termios.error) as error:
            raise ConfigError(
                f"'{path}' cannot be used as a terminal: {error}. Start from a terminal, or set keyboard to none."
            ) from error
        self._path = path
        self._pending = ""
        self._rows = 0
        settings = subprocess.run(["stty", "-g"], stdin=self._file, capture_output=True, text=True, check=True)
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "sh", settings.stdout.strip(), path, str(self._first_row(self._size()))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        tty.setcbreak(self._file)

    def read_keys(self) -> list[str]:
        """Keys pressed since the last call, oldest first. None while this terminal is in the background."""
        try:
            data = os.read(self._file, 4096)
        except BlockingIOError:
            return []
        keys, self._pending = split_keys(self._pending + data.decode(errors="ignore"))
        return keys

    def show_status(self, status: str, keys: str) -> None:
        """Draw the bottom lines anew, cut to the terminal's width: what is going on, and what the keys do."""
        size = self._size()
        output = ""
        row = self._first_row(size)
        if size.lines != self._rows:  # also after a change of size: keep the last rows out of the scrolling
            output += "\n" * _BOTTOM_LINES + f"{_KEEP_CURSOR}\x1b[1;{row - 1}r{_BACK_TO_CURSOR}\x1b[{_BOTTOM_LINES}A"
            self._rows = size.lines
        output += _KEEP_CURSOR
        for line, text in enumerate((status, keys)):
            output += f"\x1b[{row + line};1H\x1b[2K\x1b[7m{text[: size.columns - 1]}\x1b[0m"
        self._write(output + _BACK_TO_CURSOR)

    def print(self, text: str) -> None:
        """Write lines above the bottom ones."""
        self._write(text.rstrip("\n") + "\n")

    def close(self) -> None:
        """Give the terminal back as it was. May be called again."""
        if self._file < 0:
            return
        if self._rows:
            row = self._rows - _BOTTOM_LINES + 1
            self._write(f"{_KEEP_CURSOR}{_WHOLE_SCREEN}\x1b[{row};1H\x1b[J{_BACK_TO_CURSOR}")
        termios.tcsetattr(self._file, termios.TCSADRAIN, self._before)
        os.close(self._file)
        self._file = -1
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        self._guard.wait()

    @staticmethod
    def _first_row(size: os.terminal_size) -> int:
        """Of the bottom lines."""
        return size.lines - _BOTTOM_LINES + 1

    def _size(self) -> os.terminal_size:
        try:
            size = os.get_terminal_size(self._file)
        except OSError:
            size = os.terminal_size((0, 0))
        return size if min(size) > _BOTTOM_LINES else shutil.get_terminal_size()

    def _write(self, text: str) -> None:
        try:
            os.write(self._file, text.encode())
        except BlockingIOError:
            pass  # Nobody reads the terminal (it is stopped with Ctrl-S); the next status line will do.
