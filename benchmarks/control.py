"""How well commands keep their time over ROS, how fast the graph goes in lockstep, and how fast faults stop the arm.

Everything runs as it does for users: simulator, executor and a client in a process each, over DDS on this machine.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.figures import Figures
from benchmarks.machine import Machine
from benchmarks.node_processes import node_command, own_domain, processor_time_s, running
from spirl_ros.deployment.bundle import load_bundle
from spirl_ros.deployment.bundle_file import BUNDLE_FILE, format_description
from spirl_ros.errors import SpirlError
from spirl_ros.kitchen.environment import KitchenConfig, KitchenEnvironment

FAST_HZ = 100.0
"""Control rate that timing is measured at; the kitchen's own is 12.5 Hz."""
HOGS = 2
PRIORITIES = {"SCHED_FIFO asked for": 50, "not asked for": 0}
"""Of the executor, whose timing is measured with each."""
_MANY_STEPS = 10_000_000
_LONG_TASK = "hinge_cabinet,slide_cabinet,light_switch,top_burner,bottom_burner,kettle,microwave"
"""Random skills complete the paper's four subtasks now and then, and a skill ends with its episode."""
_TICKS_OF_DIAGNOSTICS = 1000
_CPU_S = 20.0
"""How long the executor's processor time is counted [s]."""


@dataclass(frozen=True)
class Timing:
    """How one executor kept its time, in its own words; of the last 1000 control steps."""

    scheduling: str
    latency_p50_ms: float
    """From the beginning of a control step to its command sent."""
    latency_p99_ms: float
    lateness_p99_ms: float
    """From when a control step was due to its beginning."""
    load: float
    """Of the machine meanwhile, over a minute."""


@dataclass(frozen=True)
class ControlFigures(Figures):
    """The result."""

    timings: dict[str, Timing]
    executor_cpu_percent: float
    """Of one core, at 12.5 Hz with all diagnostics and 100 states per second."""
    lockstep_steps_per_s: dict[str, float]
    in_process_steps_per_s: float
    """What the environment alone does in this process, before and after."""
    reactions_s: dict[str, list[float]]
    """From the fault to the first status that tells of braking, as received by another process."""
    reactions_missing: int
    """Faults that no such status followed in time, each after a few tries."""
    machine: dict[str, object]

    def rows(self) -> list[str]:
        """Three tables: timing, the whole graph, reactions."""
        lines = [
            f"| control steps at {FAST_HZ:g} Hz | scheduling | tick to command p50 ms | p99 ms | jitter p99 ms | "
            "load |",
            "|---|---|---|---|---|---|",
        ]
        for name, timing in self.timings.items():
            lines.append(
                f"| {name} | {timing.scheduling} | {timing.latency_p50_ms:.2f} | {timing.latency_p99_ms:.2f} "
                f"| {timing.lateness_p99_ms:.2f} | {timing.load:.1f} |"
            )
        lines += [
            "",
            "| whole graph | |",
            "|---|---|",
            f"| executor at 12.5 Hz with diagnostics | {self.executor_cpu_percent:.1f} % of a core |",
            *(
                f"| lockstep, skills {name} | {rate:.0f} control steps/s |"
                for name, rate in self.lockstep_steps_per_s.items()
            ),
            f"| the environment alone, in process | {self.in_process_steps_per_s:.0f} control steps/s |",
            "",
            "| reaction | times | median ms | p90 ms | most ms |",
            "|---|---|---|---|---|",
        ]
        for name, times_s in self.reactions_s.items():
            median, p90, most = np.percentile(times_s, (50, 90, 100)) * 1e3
            lines.append(f"| {name} | {len(times_s)} | {median:.0f} | {p90:.0f} | {most:.0f} |")
        if self.reactions_missing:
            lines += ["", f"{self.reactions_missing} reactions could not be timed."]
        return lines


def measure_control(bundle: Path, rounds: int) -> ControlFigures:
    """Run everything.

    Args:
        bundle: with skills for the kitchen.
        rounds: of each fault, at most 100; also the number of skills in lockstep.

    Raises:
        SpirlError: the nodes do not start, or stop by themselves.
    """
    machine = Machine("mujoco", "onnxruntime", "ros-rclpy")
    latent_size = load_bundle(bundle, "cpu").description.latent_size
    in_process = [environment_rate()]
    with tempfile.TemporaryDirectory(prefix="spirl_bench_") as folder:
        fast = _at_rate(bundle, Path(folder) / "fast", FAST_HZ)
        timings = {
            f"{asked}{beside}": _timing(fast, latent_size, priority, hogs)
            for beside, hogs in (("", 0), (f", beside {HOGS} busy processes", HOGS))
            for asked, priority in PRIORITIES.items()
        }
    lockstep, cpu_percent, reactions_s = {}, 0.0, {}
    with _graph(bundle, "lockstep") as graph:
        rates = graph.probe("lockstep", rounds, latent_size)
        lockstep = {"by topic": rates["by_topic"], "by action": rates["by_action"]}
    in_process.append(environment_rate())
    with _graph(bundle, "realtime", max_missed=100) as graph:
        before_s, begin_s = graph.executor_cpu_s(), time.monotonic()
        graph.probe("timing", round(_CPU_S), latent_size)
        cpu_percent = (graph.executor_cpu_s() - before_s) / (time.monotonic() - begin_s) * 100.0
        times_s = graph.probe("faults", min(rounds, 100), latent_size)
        reactions_s = {
            "simulator stopped: states stale, braking": times_s["stale_s"],
            "service stop: braking": times_s["stop_s"],
        }
        if missing := [name for name, taken in reactions_s.items() if not taken]:
            raise SpirlError(f"no time could be taken for: {'; '.join(missing)}. Try again on a quieter machine.")
    in_process_rate, missing = float(np.mean(in_process)), int(times_s["missing"])
    return ControlFigures(timings, cpu_percent, lockstep, in_process_rate, reactions_s, missing, machine.as_dict())


class _Graph:
    """A simulator and an executor that run."""

    def __init__(self, environment: dict[str, str], simulator: subprocess.Popen, executor: subprocess.Popen) -> None:
        self._environment, self._simulator, self._executor = environment, simulator, executor

    def probe(self, what: str, count: int, latent_size: int) -> dict:
        """Measure with a client in a process of its own."""
        command = [sys.executable, "-m", "spirl_ros.nodes.executor.control_probe", what, str(count), str(latent_size)]
        done = subprocess.run(
            [*command, str(self._simulator.pid)], env=self._environment, capture_output=True, text=True
        )
        if done.returncode != 0:
            ended = [process.args for process in (self._simulator, self._executor) if process.poll() is not None]
            raise SpirlError(
                f"control_probe {what} failed: {done.stderr.strip()}; ended by themselves: {ended or 'none'}"
            )
        return json.loads(done.stdout.splitlines()[-1])

    def executor_cpu_s(self) -> float:
        """Processor time that the executor has used [s]."""
        return processor_time_s(self._executor.pid)


@contextmanager
def _graph(bundle: Path, rate: str, **parameters: object) -> Iterator[_Graph]:
    """Start simulator and executor; both end with the block."""
    of_both = {"rate": rate, "discovery_s": 0.0}
    with ExitStack() as stack:
        environment = stack.enter_context(own_domain())
        simulator = stack.enter_context(
            running(node_command("mujoco_sim", {**of_both, "max_steps": _MANY_STEPS, "task": _LONG_TASK}), environment)
        )
        executor = stack.enter_context(
            running(node_command("skill_executor", {**of_both, "bundle": bundle, **parameters}), environment)
        )
        yield _Graph(environment, simulator, executor)


def _timing(bundle: Path, latent_size: int, priority: int, hogs: int) -> Timing:
    with ExitStack() as stack:
        graph = stack.enter_context(
            _graph(bundle, "realtime", realtime_priority=priority, max_age_s=1.0, max_missed=100)
        )
        for _ in range(hogs):
            stack.enter_context(running([sys.executable, "-c", "while True: pass"]))
        said = graph.probe("timing", round(1.5 * _TICKS_OF_DIAGNOSTICS / FAST_HZ), latent_size)
    return Timing(
        scheduling=said["scheduling"],
        latency_p50_ms=float(said["tick to command p50 [ms]"]),
        latency_p99_ms=float(said["tick to command p99 [ms]"]),
        lateness_p99_ms=float(said["lateness p99 [ms]"]),
        load=round(os.getloadavg()[0], 2),
    )


def _at_rate(bundle: Path, folder: Path, rate_hz: float) -> Path:
    """The same networks, with another control rate written beside them."""
    folder.mkdir()
    description = load_bundle(bundle, "cpu").description
    for file in description.files:
        (folder / file).symlink_to((bundle / file).resolve())
    (folder / BUNDLE_FILE).write_text(format_description(replace(description, control_rate_hz=rate_hz)))
    return folder


def environment_rate(steps: int = 200) -> float:
    """Control steps per second of the environment with random actions [1/s]."""
    environment = KitchenEnvironment(KitchenConfig("kitchen", max_steps=_MANY_STEPS))
    environment.reset(seed=0)
    actions = np.random.default_rng(0).uniform(-0.5, 0.5, (steps, 9))
    begin_s = time.monotonic()
    for action in actions:
        environment.step(action)
    return steps / (time.monotonic() - begin_s)
