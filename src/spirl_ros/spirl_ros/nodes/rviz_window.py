"""RViz as a child of a node, where it is installed."""

import shutil
import subprocess
from pathlib import Path

END_S = 3.0
"""RViz that has not ended this long after SIGTERM is killed [s]."""


class RvizWindow:
    """Starts RViz with a configuration and ends it. Closing the window ends nothing else."""

    def __init__(self, configuration: Path, namespace: str) -> None:
        """Take a configuration; topics in it are relative to a namespace."""
        self._arguments = ["-d", str(configuration), "--ros-args", "-r", f"__ns:={namespace or '/'}"]
        # RViz looks for frames outside every namespace unless it is told otherwise.
        self._arguments += ["-r", "/tf:=tf", "-r", "/tf_static:=tf_static"]
        self._process: subprocess.Popen | None = None

    def open(self) -> str:
        """Start it. Returns a sentence about what is done."""
        program = shutil.which("rviz2")
        if program is None:
            return (
                "rviz2 is not installed here, so only the markers are published. Install it from the ROS distribution "
                "(package rviz2), or look with viewer:=web."
            )
        self._process = subprocess.Popen([program, *self._arguments], start_new_session=True)
        return f"RViz starts with {self._arguments[1]}"

    def ended_with(self) -> int | None:
        """Its exit code if it has ended by itself, negative for the signal that ended it; None while it runs."""
        return None if self._process is None else self._process.poll()

    def close(self) -> None:
        """End it if it still runs."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
