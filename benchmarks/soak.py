"""A long run: what every node of the kitchen's graph holds after each episode, and whether that grows."""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.figures import Figures
from benchmarks.machine import Machine
from benchmarks.node_processes import node_command, own_domain, running
from spirl_ros.bringup.graphs import KITCHEN_SIM
from spirl_ros.errors import SpirlError

_EPISODE = re.compile(r"episode (\d+): (\d+) of \d+ subtasks in order")
_POLICY, _RECORDER = "skill_policy", "recorder"
_PATIENCE_S = 180.0
"""How long an episode may take [s], the start of the graph included."""
_LOOK_EVERY_S = 0.2
_BAGS_KEPT = 2
"""Newest recordings that stay on the disk while more are made."""
_TELL_EVERY = 10
"""Episodes between two words about how it goes: it takes hours, and a node may end before the table."""
_SETTLED_AFTER = 0.2
"""Share of the episodes after which what nodes hold is compared: caches and memory pools fill first."""


class Held(NamedTuple):
    """What a process holds at a moment."""

    memory_mb: float
    """Resident [MB]."""
    descriptors: int
    """Open files and sockets."""
    threads: int


@dataclass(frozen=True)
class SoakFigures(Figures):
    """The result."""

    rate: str
    held: dict[str, list[Held]]
    """Of each node, after each episode."""
    in_order: list[int]
    """Target subtasks completed in order, per episode."""
    interruptions: list[str]
    """What the policy said of episodes that were given up."""
    machine: dict[str, object]

    def rows(self) -> list[str]:
        """One row per node, then what became of the episodes."""
        episodes = len(self.in_order)
        first = _first(episodes)
        lines = [
            f"| {self.rate}, episodes {first + 1} to {episodes} | memory [MB] | slope [kB/episode] | descriptors | "
            "threads |",
            "|---|---|---|---|---|",
        ]
        for name, held in self.held.items():
            begin, end = held[first], held[-1]
            lines.append(
                f"| {name} | {begin.memory_mb:.1f} → {end.memory_mb:.1f} | {slope_kb(held[first:]):+.1f} "
                f"| {begin.descriptors} → {end.descriptors} | {begin.threads} → {end.threads} |"
            )
        return [
            *lines,
            f"| subtasks in order | {np.mean(self.in_order):.2f} on average over {episodes} episodes | | | |",
            f"| episodes that were interrupted | {len(self.interruptions)} | | | |",
        ]

    def note(self) -> str:
        """What interrupted episodes."""
        return "; ".join(dict.fromkeys(self.interruptions))


def slope_kb(held: list[Held]) -> float:
    """How much resident memory grows per episode [kB], by a straight line through all; 0 for one episode."""
    if len(held) < 2:
        return 0.0
    return 1e3 * float(np.polyfit(np.arange(len(held)), [moment.memory_mb for moment in held], 1)[0])


def measure_soak(models: str, rate: str, episodes: int) -> SoakFigures:
    """Run the endless graph of `spirl up kitchen_sim`, recorder and viewers with it, for so many episodes.

    Args:
        models: folder of a bundle with a policy for the kitchen, or the name of a shipped one.
        rate: realtime or lockstep.
        episodes: how many.

    Raises:
        SpirlError: a node ends by itself, or no episode ends for long.
    """
    machine = Machine("mujoco", "onnxruntime", "viser", "ros-rclpy")
    with tempfile.TemporaryDirectory(prefix="spirl_soak_") as name, ExitStack() as stack:
        folder, environment = Path(name), stack.enter_context(own_domain())
        given = {"models": models, "rate": rate, "record": str(folder / "bags"), "viewer": "both", "port": "0"}
        processes: dict[str, subprocess.Popen] = {}
        for node in KITCHEN_SIM.nodes(KITCHEN_SIM.check(given)):
            # RViz's markers without its window, and a disk that this needs hardly anything of.
            parameters = {**node.parameters, **{key: False for key in ("rviz",) if key in node.parameters}}
            if node.name == _RECORDER:
                parameters["min_free_mb"] = 0.0
            parameters = {key: value for key, value in parameters.items() if value != ""}
            log = stack.enter_context((folder / f"{node.name}.log").open("w"))
            command = node_command(node.executable, parameters)
            process = running(command, environment, log.fileno(), subprocess.Popen.terminate)
            processes[node.name] = stack.enter_context(process)
        held: dict[str, list[Held]] = {node: [] for node in processes}
        in_order, interruptions = [], []
        for line in _said(folder, processes):
            if match := _EPISODE.search(line):
                in_order.append(int(match[2]))
                for node, process in processes.items():
                    held[node].append(held_by(process.pid))
                _remove_old(folder / "bags")
                if len(in_order) % _TELL_EVERY == 0:
                    print(_progress(len(in_order), held), file=sys.stderr, flush=True)
                if len(in_order) == episodes:
                    break
            elif "stopped after" in line:
                interruptions.append(line.strip())
        return SoakFigures(rate, held, in_order, interruptions, machine.as_dict())


def held_by(process_id: int) -> Held:
    """What a process holds now."""
    folder = Path(f"/proc/{process_id}")
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    resident_kb = int(status["VmRSS"].split()[0])
    return Held(resident_kb * 1024e-6, len(list((folder / "fd").iterdir())), int(status["Threads"]))


def _first(episodes: int) -> int:
    """Number, from 0, of the first episode that is compared."""
    return min(episodes - 1, round(_SETTLED_AFTER * episodes))


def _progress(episodes: int, held: dict[str, list[Held]]) -> str:
    nodes = [
        f"{name} {moments[-1].memory_mb:.1f} MB, {moments[-1].descriptors} descriptors, {moments[-1].threads} threads"
        for name, moments in held.items()
    ]
    return f"after {episodes} episodes: {'; '.join(nodes)}"


def _said(folder: Path, processes: dict[str, subprocess.Popen]) -> Iterator[str]:
    """Lines of the policy as they come, while every node is there."""
    with (folder / f"{_POLICY}.log").open() as log:
        heard_s, begun = time.monotonic(), ""
        while time.monotonic() < heard_s + _PATIENCE_S:
            ended = [name for name, process in processes.items() if process.poll() is not None]
            if ended:
                said = (folder / f"{ended[0]}.log").read_text().strip().splitlines()[-3:]
                raise SpirlError(f"{', '.join(ended)} ended by itself: {' '.join(said)}")
            begun += log.readline()
            if begun.endswith("\n"):
                heard_s = time.monotonic() if _EPISODE.search(begun) else heard_s
                yield begun
                begun = ""
            else:
                time.sleep(_LOOK_EVERY_S)
    said = (folder / f"{_POLICY}.log").read_text().strip().splitlines()[-3:]
    raise SpirlError(f"no episode ended for {_PATIENCE_S:.0f} s. The policy said last: {' '.join(said)}")


def _remove_old(bags: Path) -> None:
    """Remove all recordings but the newest, or a long run fills the disk."""
    found = sorted((bag for bag in bags.iterdir() if bag.is_dir()), key=lambda bag: bag.stat().st_mtime)
    for bag in found[:-_BAGS_KEPT]:
        shutil.rmtree(bag)
