"""Starts processes to be measured, nodes above all, and ends them."""

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


def node_environment() -> dict[str, str]:
    """Environment of nodes that meet only each other: a domain drawn at random, on this machine alone."""
    return {
        **os.environ,
        "ROS_DOMAIN_ID": str(random.SystemRandom().randrange(20, 100)),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "PYTHONUNBUFFERED": "1",
    }


def node_command(name: str, parameters: Mapping[str, object]) -> list[str]:
    """The command line of one of our nodes."""
    words = []
    for key, value in parameters.items():
        words += ["-p", f"{key}:={str(value).lower() if isinstance(value, bool) else value}"]
    return [sys.executable, "-m", f"spirl_ros.nodes.{name}", "--ros-args", *words]


@contextmanager
def running(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    stdout: int = subprocess.DEVNULL,
    end: Callable[[subprocess.Popen], None] = subprocess.Popen.kill,
) -> Iterator[subprocess.Popen]:
    """Run a command while the block runs.

    Args:
        command: program and arguments.
        environment: None for this process's own.
        stdout: where its output goes, error lines too.
        end: called at the end of the block.
    """
    process = subprocess.Popen(command, env=environment, stdout=stdout, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        end(process)
        process.wait()


def processor_time_s(process_id: int) -> float:
    """Processor time that a process has used [s], in all its threads."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
