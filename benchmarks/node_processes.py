"""Starts processes to be measured, nodes above all, and ends them."""

import fcntl
import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

# Domains up to 101 keep clear of the ephemeral ports; 0 and the first few are left to people.
_domain_ids = itertools.cycle(range(20, 100))
for _ in range(os.getpid() % 80):
    next(_domain_ids)


@contextmanager
def own_domain() -> Iterator[dict[str, str]]:
    """Environment of a ROS domain on this machine that no other measurement and no test uses, whoever runs it."""
    for domain_id in _domain_ids:
        with ExitStack() as stack:
            try:
                lock = stack.enter_context(Path(tempfile.gettempdir(), f"spirl_domain_{domain_id}.lock").open("w"))
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # somebody has it
                continue
            yield {
                **os.environ,
                "ROS_DOMAIN_ID": str(domain_id),
                "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
                "PYTHONUNBUFFERED": "1",
            }
            return


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
