"""Starts and ends the processes of a graph where ROS 2 launch is not installed."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from spirl_ros.bringup.graphs import Bringup, NodeDescription
from spirl_ros.bringup.restarts import RESPAWN_DELAY_S, Restarts
from spirl_ros.files.outside_text import printable
from spirl_ros.teleoperation.terminal import terminal_environment

SIGTERM_AFTER_S = 2.0
"""A process that has not ended this long after SIGINT gets SIGTERM [s]."""
SIGKILL_AFTER_S = 4.0
"""A process that has not ended this long after SIGINT is killed [s]."""

LAUNCHER_PID_VARIABLE = "SPIRL_LAUNCHER_PID"
"""Environment variable that has nodes end with the process of this number, however that ends."""

_POLL_S = 0.05


@dataclass
class _Process:
    description: NodeDescription
    process: subprocess.Popen
    exited_s: float | None = None
    """When it was seen to have ended, on the steady clock."""


class Supervisor:
    """Runs the nodes of a graph as child processes and ends them together."""

    def __init__(self, bringup: Bringup, values: Mapping[str, str]) -> None:
        """Prepare a graph; `values` are checked argument values."""
        self._bringup = bringup
        self._values = values
        self._processes: list[_Process] = []
        self._restarts = Restarts()
        self._signals: list[int] = []
        self._folder = tempfile.TemporaryDirectory(prefix="spirl_up_")

    def run(self) -> int:
        """Start every node; return when the graph has ended.

        The graph ends with a node that is not to be started again, see Restarts, or on SIGINT or SIGTERM.

        Returns:
            0 when it was ended by a signal or by a node that ended with 0, else that node's exit code.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda signal_number, _: self._signals.append(signal_number))
        try:
            for description in self._bringup.nodes(self._values):
                self._processes.append(_Process(description, self._start(description)))
            return self._watch()
        finally:
            self._end_all()
            self._folder.cleanup()

    def _watch(self) -> int:
        while not self._signals:
            for running in self._processes:
                code = running.process.poll()
                if code is None:
                    continue
                description, now_s = running.description, time.monotonic()
                if running.exited_s is None:
                    reason = self._restarts.why_graph_ends(description.name, description.respawn, code, now_s)
                    if reason:
                        if code != 0:
                            print(f"error: {reason}; see its messages above", file=sys.stderr, flush=True)
                        return abs(code)
                    print(f"[{description.name}] ended with {code} and restarts", file=sys.stderr, flush=True)
                    running.exited_s = now_s
                elif now_s - running.exited_s > RESPAWN_DELAY_S:
                    description = self._bringup.node_again(self._values, description.name)
                    running.process, running.exited_s = self._start(description), None
            time.sleep(_POLL_S)
        return 0

    def _end_all(self) -> None:
        """SIGINT to every process, then SIGTERM, then SIGKILL to those that stay."""
        begin_s = time.monotonic()
        for number, until_s in ((signal.SIGINT, SIGTERM_AFTER_S), (signal.SIGTERM, SIGKILL_AFTER_S)):
            alive = [running.process for running in self._processes if running.process.poll() is None]
            for process in alive:
                process.send_signal(number)
            while time.monotonic() - begin_s < until_s and any(process.poll() is None for process in alive):
                time.sleep(_POLL_S)
        for running in self._processes:
            if running.process.poll() is None:
                print(f"[{running.description.name}] did not end; killed", file=sys.stderr, flush=True)
                running.process.kill()
            running.process.wait()

    def _start(self, description: NodeDescription) -> subprocess.Popen:
        process = subprocess.Popen(
            self._command(description),
            env={
                "RCUTILS_CONSOLE_OUTPUT_FORMAT": "{severity} {message}",  # _forward puts the node's name in front.
                **os.environ,
                LAUNCHER_PID_VARIABLE: str(os.getpid()),
                **terminal_environment(),
                "PYTHONUNBUFFERED": "1",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C reaches the children through _end_all alone, once.
        )
        threading.Thread(target=_forward, args=(description.name, process), daemon=True).start()
        return process

    def _command(self, description: NodeDescription) -> list[str]:
        values = self._values
        params_file = Path(self._folder.name) / f"{description.name}.yaml"
        params_file.write_text(yaml.safe_dump({"/**": {"ros__parameters": dict(description.parameters)}}))
        command = [sys.executable, "-m", f"spirl_ros.nodes.{description.executable}", "--ros-args"]
        command += ["--remap", f"__node:={description.name}", "--log-level", values["log_level"]]
        if values["namespace"]:
            command += ["--remap", f"__ns:=/{values['namespace'].strip('/')}"]
        for source, target in description.remappings:
            command += ["--remap", f"{source}:={target}"]
        command += ["--params-file", str(params_file)]
        if values["params_file"]:
            command += ["--params-file", values["params_file"]]
        return command


def _forward(name: str, process: subprocess.Popen) -> None:
    """Print a process's output line by line under its name; what ROS itself prints may hold names from outside, too."""
    assert process.stdout is not None
    for line in process.stdout:
        print(f"[{name}] {printable(line.rstrip(chr(10)), limit=10_000)}", flush=True)
