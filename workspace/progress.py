"""Shows the stages of the set-up, a line each, and keeps what their commands print in a log file."""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from workspace.problem import SetupProblem, explain_failure

SHOWN_LOG_LINES = 15
"""How many of a failed command's last lines are shown."""


class Progress:
    """Runs the commands of one set-up after the other."""

    def __init__(self, log_path: Path, lock_file: IO[str]) -> None:
        """Begin a new log.

        Args:
            log_path: where everything goes that the commands print.
            lock_file: given to the commands as standard input, see `lock.exclusive`.
        """
        self._log_path = log_path
        self._lock_file = lock_file
        self._stage = ""
        self._began_s = 0.0
        log_path.write_text("", encoding="utf-8")

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Show that a stage runs, and how long it took."""
        self._stage, self._began_s = name, time.monotonic()
        self._show("")
        try:
            yield
        except BaseException:
            print(flush=True)
            raise
        self._show(f"{time.monotonic() - self._began_s:5.1f} s\n")

    def note(self, text: str) -> None:
        """Say something below the stage's line, and go on with the stage."""
        print(f"\n    {text}", flush=True)
        self._show("")

    def run(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        """Run a command to its end.

        Raises:
            SetupProblem: it failed. The message names the log and the cause, or shows the last lines.
        """
        with self._log_path.open("a+", encoding="utf-8", errors="replace") as log:
            log.write(f"\n$ {' '.join(command)}\n")
            log.flush()
            start = log.tell()
            with subprocess.Popen(
                command, stdin=self._lock_file, stdout=log, stderr=log, env=dict(environment), cwd=folder
            ) as process:
                self._wait(process)
            if process.returncode == 0:
                return
            log.seek(start)
            output = log.read()
        cause = explain_failure(output)
        if cause is None:
            last = "\n".join(f"    {line}" for line in output.rstrip().splitlines()[-SHOWN_LOG_LINES:])
            cause = f"`{' '.join(command[:4])} ...` ended with exit code {process.returncode}:\n{last}\n"
        problem = SetupProblem(f"The stage '{self._stage}' failed. {cause} (everything it printed: {self._log_path})")
        problem.output = output
        raise problem

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for a command and, on a terminal, count the seconds."""
        while True:
            try:
                process.wait(timeout=1)
                return
            except subprocess.TimeoutExpired:
                if sys.stdout.isatty():
                    self._show(f"{time.monotonic() - self._began_s:5.0f} s")

    def _show(self, text: str) -> None:
        """Write the stage's line: again and again on a terminal, in two pieces elsewhere."""
        head = f"  {self._stage:<44}"
        if sys.stdout.isatty():
            print(f"\r{head}{text}", end="", flush=True)
        else:
            print(text or head, end="", flush=True)
