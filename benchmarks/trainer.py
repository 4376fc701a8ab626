"""How fast the trainer learns over ROS beside the environment alone, what limits it, and what `kill -9` costs it.

Simulator, executor, trainer and learner run as they do for users, in lockstep, over DDS on this machine.
"""

import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.control import environment_rate
from benchmarks.figures import Figures
from benchmarks.machine import Machine
from benchmarks.node_processes import node_command, own_domain, running
from spirl_ros.errors import SpirlError
from spirl_ros.rl.run import RlRun
from spirl_ros.shipped import shipped
from spirl_ros.training_folder import CHECKPOINT_FILE, CONFIG_FILE

PATIENCE_S = 180.0
CHECKPOINT_EVERY_S = 5.0
WITHOUT_LEARNING = "no gradient steps"
_SETTINGS = "demos_in_replay=false offline_updates=0 steps=10000000"
_RATES = {
    WITHOUT_LEARNING: "warm_up_decisions=1000000",
    "1 gradient step per skill": "updates_per_decision=1",
    "2 gradient steps per skill": "updates_per_decision=2",
}
_POLL_S = 0.02


@dataclass(frozen=True)
class TrainerFigures(Figures):
    """The result."""

    environment_steps_per_s: float
    """Of the environment alone, in this process, before and after."""
    steps_per_s: dict[str, float]
    """Control steps of whole episodes through the graph, with resets and waiting, by what was learned."""
    kills: list[dict[str, float]]
    """After each `kill -9`: control steps that the learner had recorded and that the checkpoint had, and the time [s]
    until a new trainer went on; `alone` is 0 where the learner was killed at the same moment."""
    machine: dict[str, object]

    def rows(self) -> list[str]:
        """Lines of Markdown tables."""
        lines = [
            "| training over ROS, in lockstep | control steps/s | share of the environment alone |",
            "|---|---|---|",
            f"| the environment alone, in process | {self.environment_steps_per_s:.0f} | 100 % |",
        ]
        for name, rate in self.steps_per_s.items():
            lines.append(f"| {name} | {rate:.0f} | {100.0 * rate / self.environment_steps_per_s:.0f} % |")
        lines += [
            "",
            "| kill -9 of | steps before | in the checkpoint | lost | went on after s |",
            "|---|---|---|---|---|",
        ]
        for kill in self.kills:
            who = "trainer" if kill["alone"] else "trainer and learner"
            lost = max(0.0, kill["steps"] - kill["kept"])
            lines.append(f"| {who} | {kill['steps']:.0f} | {kill['kept']:.0f} | {lost:.0f} | {kill['resumed_s']:.1f} |")
        return lines


def measure_trainer(skills: Path, episodes: int, kills: int) -> TrainerFigures:
    """Run everything.

    Args:
        skills: folder of `spirl skills train`, for the kitchen.
        episodes: of each rate.
        kills: of the trainer; every second one takes the learner with it.

    Raises:
        SpirlError: the nodes do not start, do not go on, or a kill took what was in a checkpoint.
    """
    machine, alone = Machine("mujoco", "torch", "ros-rclpy"), [environment_rate()]
    rates, figures = {}, []
    with tempfile.TemporaryDirectory(prefix="spirl_bench_") as folder:
        for number, (name, settings) in enumerate(_RATES.items()):
            with _graph() as environment:
                out = Path(folder) / f"rate_{number}"
                with _trainer(environment, out, skills, settings):
                    rates[name] = _episode_rate(out, episodes)
        alone.append(environment_rate())
        generator = random.Random(0)
        with _graph() as environment:
            out = Path(folder) / "kills"
            for number in range(kills):
                begin_s = time.monotonic()
                with _trainer(environment, out, skills, "updates_per_decision=1 warm_up_decisions=10") as trainer:
                    before = _steps(out) if number else 0
                    _wait(lambda before=before: _steps(out) > before, "transitions after a start")
                    if figures:
                        figures[-1]["resumed_s"] = time.monotonic() - begin_s
                    time.sleep(generator.uniform(0.0, 2.0 * CHECKPOINT_EVERY_S))
                    figures.append(_kill(trainer, out, alone=number % 2 == 0))
            begin_s, before = time.monotonic(), _steps(out)
            with _trainer(environment, out, skills, ""):
                _wait(lambda: _steps(out) > before, "transitions after the last kill")
                figures[-1]["resumed_s"] = time.monotonic() - begin_s
    return TrainerFigures(sum(alone) / len(alone), rates, figures, machine.as_dict())


@contextmanager
def _graph() -> Iterator[dict[str, str]]:
    """A simulator and an executor; gives the environment that they run in."""
    of_both = {"rate": "lockstep", "discovery_s": 0.0}
    executor = {**of_both, "bundle": shipped("models/kitchen")}
    with own_domain() as environment, running(node_command("mujoco_sim", of_both), environment):
        with running(node_command("skill_executor", executor), environment):
            yield environment


@contextmanager
def _trainer(environment: dict[str, str], out: Path, skills: Path, settings: str) -> Iterator[subprocess.Popen]:
    parameters: dict[str, object] = {"out": out, "checkpoint_every_s": CHECKPOINT_EVERY_S, "retries": 1000}
    if not (out / CONFIG_FILE).is_file():
        parameters |= {"skills": skills, "settings": f"{_SETTINGS} {settings}"}
    with running(node_command("trainer", parameters), environment) as trainer:
        try:
            yield trainer
        finally:
            learner = _children(trainer)
            trainer.kill()
            trainer.wait()
            _wait(lambda: not any(map(_lives, learner)), "the learner to save and end")


def _kill(trainer: subprocess.Popen, out: Path, alone: bool) -> dict[str, float]:
    """Kill the trainer, and the learner too unless alone; returns what was known before and what is left."""
    learner, steps, saved = _children(trainer), _steps(out), _saved_steps(out)
    trainer.kill()
    if not alone:
        for number in learner:
            os.kill(number, signal.SIGKILL)
    _wait(lambda: not any(map(_lives, learner)), "the learner's end")
    kept = _saved_steps(out)
    if kept < (steps if alone else saved):
        raise SpirlError(f"kill -9 left {kept} control steps, expected at least {steps if alone else saved}.")
    return {"alone": float(alone), "steps": float(steps), "kept": float(kept), "resumed_s": float("nan")}


def _episode_rate(out: Path, episodes: int) -> float:
    """Control steps per second from the end of the first episode to that of a later one [1/s]."""
    _wait(lambda: len(_episodes(out)) >= 1, "an episode")
    first, begin_s = len(_episodes(out)), time.monotonic()
    begin = _episodes(out)[-1]["step"]
    _wait(lambda: len(_episodes(out)) >= first + episodes, "episodes", PATIENCE_S * episodes)
    return (_episodes(out)[-1]["step"] - begin) / (time.monotonic() - begin_s)


def _episodes(out: Path) -> list[dict]:
    if not (out / CONFIG_FILE).is_file():
        return []
    return [row for row in RlRun.open(out).metrics() if row["part"] == "episode"]


def _steps(out: Path) -> int:
    """Control steps that the learner has recorded."""
    rows = RlRun.open(out).metrics() if (out / CONFIG_FILE).is_file() else []
    return rows[-1]["step"] if rows else 0


def _saved_steps(out: Path) -> int:
    if not (out / CHECKPOINT_FILE).is_file():
        return 0
    state = RlRun.open(out).load_checkpoint()
    return 0 if state is None else state["counts"][0]


def _children(process: subprocess.Popen) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    except OSError:
        return []


def _lives(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _wait(condition: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
    end_s = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > end_s:
            raise SpirlError(f"waited {patience_s:g} s for {what}.")
        time.sleep(_POLL_S)
