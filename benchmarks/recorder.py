"""What the recorder costs and loses: processor time, messages, and what `kill -9` takes with it.

Two measurements are of the recorder's process over DDS. The third feeds writers of bags, ours and rosbags', the same
messages in a process each, kills it at random moments, and reads what is left.
"""

import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figures
from benchmarks.interleaved import Comparison, compare
from benchmarks.machine import Machine
from benchmarks.node_processes import node_command, own_domain, processor_time_s, running
from benchmarks.writer_load import Write, our_bag, rosbags_writer
from spirl_ros.errors import SpirlError
from spirl_ros.recording.bag_reader import BagFile
from spirl_ros.recording.bag_recovery import recover

TOPICS, RATE_HZ = 4, 100.0
_PATIENCE_S = 60.0


@dataclass(frozen=True)
class RecorderFigures(Figures):
    """The result."""

    duration_s: float
    """How long was recorded for the first two figures [s]."""
    cpu_percent: float
    """Processor time of the recorder's process, in percent of one core."""
    sent: int
    lost: int
    """Messages sent and not in the bag."""
    killed_lost_s: list[float | None]
    """For each `kill -9` of the recorder over DDS: time from the last message in the recovered bag to the kill [s].

    None when no message was left."""
    writer_lost_s: dict[str, list[float | None]]
    """The same for each writer that was fed without DDS."""
    machine: dict[str, object]

    def rows(self) -> list[str]:
        """Two tables: cost and loss."""
        losses = {"recorder, over DDS": self.killed_lost_s, **self.writer_lost_s}
        lines = [
            f"| recorder, {TOPICS} topics at {RATE_HZ:g} Hz for {self.duration_s:g} s | |",
            "|---|---|",
            f"| processor time | {self.cpu_percent:.1f} % of a core |",
            f"| messages lost | {self.lost} of {self.sent} |",
            "",
            "| kill -9 at a random moment | times | recovered | lost, median [s] | lost, most [s] |",
            "|---|---|---|---|---|",
        ]
        for name, lost_s in losses.items():
            kept = sorted(seconds for seconds in lost_s if seconds is not None)
            median, most = (f"{kept[len(kept) // 2]:.2f}", f"{kept[-1]:.2f}") if kept else ("all", "all")
            lines.append(f"| {name} | {len(lost_s)} | {len(kept)} | {median} | {most} |")
        return lines


def measure_recorder(duration_s: float, kills: int, seed: int = 0) -> RecorderFigures:
    """Run all three measurements.

    Raises:
        SpirlError: the nodes do not start.
    """
    machine = Machine("mcap", "rosbags", "ros-rclpy")
    generator = random.Random(seed)
    cpu_percent, sent, kept = _record(duration_s)
    moments_s = [generator.uniform(1.0, 4.0) for _ in range(kills)]
    over_dds = [_kill_recorder(moment_s) for moment_s in moments_s]
    writers = {"our writer, fed directly": "ours", "rosbags' writer, fed directly": "rosbags"}
    by_writer = {name: [_kill_writer(kind, moment_s) for moment_s in moments_s] for name, kind in writers.items()}
    return RecorderFigures(duration_s, cpu_percent, sent, sent - kept, over_dds, by_writer, machine.as_dict())


def compare_topics(rounds: int) -> Comparison:
    """Messages per second into a bag and onto the disk, for more and more topics; ours is on the disk after every 5000.

    Raises:
        ModuleNotFoundError: rosbags is not installed.
    """
    machine = Machine("mcap", "rosbags")
    with ExitStack() as stack:
        contestants = {
            name.format(topics): _writing(stack, make_writer, topics)
            for topics in (1, 8, 64)
            for name, make_writer in (
                ("rosbags, in memory, {} topics", rosbags_writer),
                ("ours, on the disk, {} topics", our_bag),
            )
        }
        return compare(contestants, "rosbags, in memory, 1 topics", "messages written/s", rounds, machine)


def _writing(stack: ExitStack, make_writer: Callable[[Path, int], Write], topics: int) -> Callable[[], int]:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="spirl_bench_")))
    write, clock_ns = make_writer(folder, topics), itertools.count(1, 1_000_000)

    def work(messages: int = 5000) -> int:
        write([(index % topics, next(clock_ns)) for index in range(messages)])
        return messages

    return work


@contextmanager
def _nodes(duration_s: float) -> Iterator[tuple[Path, subprocess.Popen, subprocess.Popen]]:
    """A recorder that records, and the load it records; both end with the block."""
    with tempfile.TemporaryDirectory(prefix="spirl_bench_") as folder, ExitStack() as stack:
        environment = stack.enter_context(own_domain())
        recorder, load = (
            stack.enter_context(running(node_command(name, parameters), environment))
            for name, parameters in (
                ("recorder", {"folder": folder, "start": "each_episode", "min_free_mb": 0.0}),
                ("message_load", {"rate_hz": RATE_HZ, "duration_s": float(duration_s)}),
            )
        )
        _wait_for(lambda: any(Path(folder).glob(".episode_*.recording")), load, "the recording's start")
        yield Path(folder), recorder, load


def _record(duration_s: float) -> tuple[float, int, int]:
    """Processor time of the recorder [% of a core], messages sent, and messages of them in the bag."""
    with _nodes(duration_s) as (folder, recorder, load):
        begin_s, used_s = time.monotonic(), processor_time_s(recorder.pid)
        load.wait(duration_s + _PATIENCE_S)
        percent = 100.0 * (processor_time_s(recorder.pid) - used_s) / (time.monotonic() - begin_s)
        recorder.send_signal(signal.SIGINT)
        recorder.wait(_PATIENCE_S)
        (path,) = folder.glob("episode_*/*.mcap")
        bag = BagFile(path)
        for _ in bag.messages():
            pass
        kept = sum(count for topic, count in bag.counts.items() if topic != "/recording_event")
        return percent, TOPICS * round(RATE_HZ * duration_s), kept


def _kill_recorder(moment_s: float) -> float | None:
    with _nodes(_PATIENCE_S) as (folder, recorder, _):
        time.sleep(moment_s)
        killed_ns = time.time_ns()
        recorder.kill()
        recorder.wait()
        return _lost_s(folder, killed_ns)


def _kill_writer(kind: str, moment_s: float) -> float | None:
    with tempfile.TemporaryDirectory(prefix="spirl_bench_") as folder:
        command = [sys.executable, "-m", "benchmarks.writer_load", kind, folder, str(TOPICS), str(RATE_HZ)]
        # The folder that holds benchmarks/ is on the path of this process alone.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with running(command, environment, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            if not any(line == "writing\n" for line in writer.stdout):
                raise SpirlError(f"{' '.join(command[2:])} ended with {writer.wait()}; is rosbags installed?")
            time.sleep(moment_s)
            killed_ns = time.time_ns()
        return _lost_s(Path(folder), killed_ns)


def _lost_s(folder: Path, killed_ns: int) -> float | None:
    """Time [s] from the last message that can be had to the kill; None when there is none."""
    list(recover(folder))
    last_ns = 0
    for path in folder.rglob("*.mcap"):
        last_ns = max([last_ns, *(message.log_time for message in BagFile(path).messages())])
    return (killed_ns - last_ns) * 1e-9 if last_ns else None


def _wait_for(condition, process: subprocess.Popen, what: str) -> None:
    end_s = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > end_s or process.poll() is not None:
            raise SpirlError(f"waited in vain for {what}. Do the nodes start? Try: spirl up record")
        time.sleep(0.01)
