"""A bundle's policy over ROS: the same as in process to the last digit in lockstep, and what it costs in real time."""

import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mcap_ros2.decoder import DecoderFactory

from benchmarks.figures import Figures
from benchmarks.machine import Machine
from benchmarks.node_processes import node_command, own_domain, processor_time_s, running
from spirl_ros.deployment.bundle import Bundle, load_bundle
from spirl_ros.errors import ConfigError, SpirlError
from spirl_ros.kitchen.environment import KitchenConfig, KitchenEnvironment
from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.recording.bag_reader import BagFile
from spirl_ros.tasks.skill_environment import SkillEnvironment

_EPISODE = re.compile(r"episode \d+: (\d+) of \d+ subtasks in order, \d+ in any, (\d+) steps")
_LATE = re.compile(r"(\d+) skills came late")
_TOPICS = ("/joint_states", "/scene_state", "/task_status", "/skill", "/forward_position_controller/commands")


class Trace(NamedTuple):
    """What an episode of N control steps and S skills was."""

    observations: np.ndarray
    """(N+1, Do)."""
    latents: np.ndarray
    """(S, Dz)."""
    commands: np.ndarray
    """(N, Da)."""


@dataclass(frozen=True)
class PolicyFigures(Figures):
    """The result."""

    largest_difference: dict[str, float]
    """Between the graph in lockstep and the rollout in process: observations, latents and commands."""
    in_order: dict[str, list[int]]
    """Target subtasks completed in order, per episode, in lockstep and in realtime."""
    lockstep_steps_per_s: float
    """Control steps of the whole graph, resets included."""
    late_skills: int
    """In realtime: skills that were not there when the one before had ended."""
    cpu_percent: dict[str, float]
    """In realtime: processor time of each node, in percent of one core."""
    machine: dict[str, object]

    def rows(self) -> list[str]:
        """One table."""
        differences = ", ".join(f"{name} {value:.2g}" for name, value in self.largest_difference.items())
        cpu = ", ".join(f"{name} {value:.1f} %" for name, value in self.cpu_percent.items())
        lines = [
            "| policy over ROS | |",
            "|---|---|",
            f"| largest difference from the rollout in process | {differences} |",
        ]
        for rate, counts in self.in_order.items():
            lines.append(
                f"| {rate}: subtasks in order | {np.mean(counts):.2f} on average over {len(counts)} episodes |"
            )
        return [
            *lines,
            f"| lockstep, whole graph | {self.lockstep_steps_per_s:.0f} control steps/s |",
            f"| realtime: skills that came late | {self.late_skills} |",
            f"| realtime: processor time, of one core | {cpu} |",
        ]


def measure_policy(folder: Path, episodes: int, max_steps: int = KITCHEN.max_steps) -> PolicyFigures:
    """Run so many episodes of a kitchen policy three times: recorded in lockstep, alone in lockstep, in realtime.

    Args:
        folder: the policy's bundle.
        episodes: how many each time.
        max_steps: after how many control steps an episode ends.

    Raises:
        ConfigError: the bundle has no policy.
        SpirlError: a node does not do its part.
    """
    bundle, machine = load_bundle(folder, "cpu"), Machine("mujoco", "onnxruntime", "ros-rclpy")
    if bundle.policy is None:
        raise ConfigError(f"{folder} holds skills alone, expected a policy. Export one: spirl export --policy.")
    with tempfile.TemporaryDirectory(prefix="spirl_bench_") as recordings:
        recorded = _run(folder, "lockstep", episodes, max_steps, Path(recordings))
        bags = sorted(Path(recordings).glob("episode_*/*.mcap"))
        if len(bags) != episodes:
            raise SpirlError(f"{len(bags)} episodes were recorded, expected {episodes}. Is the disk full?")
        pairs = [(_recorded(bag), _in_process(bundle, seed, max_steps)) for seed, bag in enumerate(bags)]
    differences = {
        name: max(_difference(getattr(over_ros, name), getattr(in_process, name)) for over_ros, in_process in pairs)
        for name in Trace._fields
    }
    alone, realtime = (_run(folder, rate, episodes, max_steps) for rate in ("lockstep", "realtime"))
    return PolicyFigures(
        largest_difference=differences,
        in_order={"lockstep": recorded.in_order, "realtime": realtime.in_order},
        lockstep_steps_per_s=alone.steps_per_s,
        late_skills=realtime.late_skills,
        cpu_percent=realtime.cpu_percent,
        machine=machine.as_dict(),
    )


class _Run(NamedTuple):
    in_order: list[int]
    steps_per_s: float
    late_skills: int
    cpu_percent: dict[str, float]


def _run(folder: Path, rate: str, episodes: int, max_steps: int, recordings: Path | None = None) -> _Run:
    """Run the graph to its end."""
    skills = {"bundle": folder, "rate": rate}
    nodes: dict[str, dict[str, object]] = {
        "mujoco_sim": {"rate": rate, "max_steps": max_steps, "discovery_s": 0.0},
        "skill_executor": {**skills, "max_age_s": 1.0, "max_missed": 12},
        "skill_policy": {**skills, "start": "at_once", "episodes": episodes, "wait_for_recorder": bool(recordings)},
    }
    if recordings is not None:
        nodes["recorder"] = {"folder": recordings, "start": "each_episode", "min_free_mb": 0.0}
    in_order, steps, late = [], 0, 0
    with _processes(nodes) as processes:
        output = processes["skill_policy"].stdout
        assert output is not None
        said = []
        begin_s, used_s, end_s, end_used_s = 0.0, {}, 0.0, {}
        for line in output:
            said.append(line)
            if not used_s and "done at step" in line:
                begin_s, used_s, steps = time.monotonic(), _cpu_s(processes), -int(line.split()[-1])
            elif match := _EPISODE.search(line):
                in_order.append(int(match[1]))
                steps += int(match[2])
                end_s, end_used_s = time.monotonic(), _cpu_s(processes)
            elif match := _LATE.search(line):
                late = int(match[1])
        if processes["skill_policy"].wait() != 0 or not used_s:
            raise SpirlError(f"the skill policy did not finish its episodes: {''.join(said[-3:])}")
    seconds = end_s - begin_s
    cpu_percent = {name: 100.0 * (end_used_s[name] - used_s[name]) / seconds for name in used_s}
    return _Run(in_order, steps / seconds, late, cpu_percent)


@contextmanager
def _processes(nodes: dict[str, dict[str, object]]) -> Iterator[dict[str, subprocess.Popen]]:
    """Node processes in a ROS domain of their own; all end with the block, the recorder with its last bag."""
    with ExitStack() as stack:
        environment = stack.enter_context(own_domain())
        yield {
            name: stack.enter_context(
                running(
                    node_command(name, parameters),
                    environment,
                    subprocess.PIPE if name == "skill_policy" else subprocess.DEVNULL,
                    subprocess.Popen.terminate,
                )
            )
            for name, parameters in nodes.items()
        }


def _cpu_s(processes: dict[str, subprocess.Popen]) -> dict[str, float]:
    """Processor time that each process has used [s]."""
    return {name: processor_time_s(process.pid) for name, process in processes.items()}


def _recorded(path: Path) -> Trace:
    """The episode in a bag, from its first task status on."""
    bag, factory = BagFile(path), DecoderFactory()
    messages = {topic: [] for topic in _TOPICS}
    for message in bag.messages():
        channel = bag.channels[message.channel_id]
        if channel.topic in messages:
            decode = factory.decoder_for("cdr", bag.schemas[channel.schema_id])
            assert decode is not None
            messages[channel.topic].append((message.publish_time, decode(message.data)))
    joints, scenes, statuses, skills, commands = messages.values()
    begin = next(index for index, (_, status) in enumerate(statuses) if status.step == 0)
    begin_ns = statuses[begin][0]
    stamps = [_stamp(status) for _, status in statuses[begin:]]
    positions = [{_stamp(state): state.position for _, state in states} for states in (joints, scenes)]
    observations = [np.concatenate([of_stamp[stamp] for of_stamp in positions]) for stamp in stamps]
    latents = [skill.latent for sent_ns, skill in skills if sent_ns >= begin_ns]
    sent = [command.data for sent_ns, command in commands if sent_ns >= begin_ns]
    return Trace(np.array(observations), np.array(latents), np.array(sent))


def _stamp(message) -> tuple[int, int]:
    return message.header.stamp.sec, message.header.stamp.nanosec


class _Traced(KitchenEnvironment):
    """Keeps what was commanded and measured."""

    def __init__(self, config: KitchenConfig) -> None:
        self.commands: list[np.ndarray] = []
        self.observations: list[np.ndarray] = []
        super().__init__(config)

    def step_command(self, joint_command: np.ndarray):
        self.commands.append(joint_command.copy())
        result = super().step_command(joint_command)
        self.observations.append(result.observation)
        return result


def _in_process(bundle: Bundle, seed: int, max_steps: int) -> Trace:
    """The episode of the bundle's policy, its mean, without ROS."""
    assert bundle.policy is not None
    task = ",".join(bundle.description.target_subtasks)
    environment, latents = _Traced(KitchenConfig(task, max_steps=max_steps)), []
    rollout = SkillEnvironment(environment, KITCHEN.robot.safe_arm(), bundle.executor())
    environment.observations[:] = [rollout.reset(seed)]
    while not environment.has_ended:
        completed = environment.progress.completed_in_order
        latents.append(bundle.policy.distribution(rollout.observe(), completed).latent)
        rollout.execute(latents[-1])
    return Trace(np.array(environment.observations), np.array(latents), np.array(environment.commands))


def _difference(first: np.ndarray, second: np.ndarray) -> float:
    """Largest difference; infinite when one episode was longer."""
    return float(np.abs(first - second).max()) if first.shape == second.shape else float("inf")
