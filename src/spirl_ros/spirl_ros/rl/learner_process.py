"""The learner as a process of its own: `python -m spirl_ros.rl.learner_process`, started by the trainer node.

It learns while the arm acts and never delays it. It talks frames (rl/frames.py) on the socket that it inherits. When
the other
side is gone it saves a checkpoint and ends: a trainer that is killed loses nothing that the learner had received.
"""

import argparse
import fcntl
import os
import shlex
import signal
import socket
import sys
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spirl_ros.commands.run_origin import current_commit
from spirl_ros.errors import ConfigError, SpirlError, TrainingError, explain
from spirl_ros.rl.config import RlTrainingConfig, resolve
from spirl_ros.rl.frames import Frame, FrameSocket
from spirl_ros.rl.learner import RECENT_EPISODES, Learner, new_learner
from spirl_ros.rl.learner_link import CHECKPOINT, EPISODE, FAILED, POLICY, READY, STATUS, STOP, TRANSITION
from spirl_ros.rl.policy_graph import PolicyGraph
from spirl_ros.rl.replay import unflattened
from spirl_ros.rl.run import SKILLS_FOLDER, RlRun, RlRunConfig, SkillsReference, weights_digest
from spirl_ros.skills.run import SkillRun
from spirl_ros.tasks.families import family_names
from spirl_ros.training_folder import CONFIG_FILE
from spirl_ros.training_log import TrainingLog

METHOD = "spirl"
"""The one that acts with skills and starts from their prior, which is what may move an arm from the first minute on."""
STATUS_EVERY_S = 0.5
"""How often the learner says how it goes, beside after every message [s]."""
LOCK_PATIENCE_S = 60.0
"""How long the learner before may take to save and end [s]."""
_METRICS_EVERY_UPDATES = 100


class LearnerProcess:
    """Serves one trainer."""

    def __init__(self, frames: FrameSocket, run: RlRun, learner: Learner, checkpoint_every_s: float) -> None:
        """Go on from the run's last checkpoint."""
        self._frames, self._run, self._learner = frames, run, learner
        self._checkpoint_every_s = checkpoint_every_s
        run.restore_checkpoint(learner.restore)
        sac = learner.sac
        self._policy_graph = PolicyGraph(run, sac.sight, sac.policy)
        self._log = TrainingLog(run, learner.step, learner.sac.updates)
        self._saved_s = time.monotonic()
        self._has_saved = learner.decisions > 0 or learner.sac.updates > 0
        self._told_s = -float("inf")
        self._policy_is_wanted = True
        self._pending: deque[Frame] = deque()

    def serve(self) -> None:
        """Learn until the trainer stops it or is gone; everything is saved then. Raises TrainingError."""
        with self._log:
            self._serve()

    def save(self) -> None:
        """Write a checkpoint, and the policy when the last episodes were the best."""
        learner = self._learner
        # No twenty episodes before completed more; counted with the policies that acted in them.
        if len(learner.recent) == RECENT_EPISODES and learner.recent_mean > learner.best:
            learner.best = learner.recent_mean
            self._run.save_best(learner.policy.state_dict())
        self._run.save_checkpoint(learner.state())
        self._log.flush()
        self._saved_s, self._has_saved = time.monotonic(), True
        self._tell(STATUS)

    def _serve(self) -> None:
        self._tell(READY)
        while True:
            is_idle = not self._pending and not self._learner.updates_due and not self._policy_is_wanted
            received = self._frames.receive(STATUS_EVERY_S if is_idle else 0.0)
            self._pending += received
            if self._frames.is_closed or any(frame.kind == STOP for frame in received):
                for frame in self._pending:
                    self._take(frame)
                self.save()
                return
            # One after the other: how the learner goes on must not depend on how fast they came.
            if self._learner.updates_due:
                self._learner.update()
                self._record_update()
            elif self._policy_is_wanted:
                self._policy_is_wanted = False
                self._tell(STATUS)
                self._give_policy()
            elif self._pending:
                self._take(self._pending.popleft())
            now_s = time.monotonic()
            if now_s > self._saved_s + self._checkpoint_every_s:
                self.save()
            if now_s > self._told_s + STATUS_EVERY_S:
                self._tell(STATUS)

    def _give_policy(self) -> None:
        about = self._policy_graph.description
        model = np.frombuffer(self._policy_graph.model(), np.uint8)
        self._frames.send(POLICY, {"inputs": about.inputs, "latent_limit": about.latent_limit}, {"model": model})

    def _take(self, frame: Frame) -> None:
        values, learner = frame.values, self._learner
        if frame.kind == TRANSITION:
            learner.add(unflattened({**frame.arrays, **values}))
        elif frame.kind == EPISODE:
            learner.end_episode(values["completed_in_order"])
            self._record("episode", reward=values["reward"], ordered=values["completed_in_order"])
            self._log.add_event("episode/recent", learner.recent_mean, learner.step)
            self._policy_is_wanted = True
        elif frame.kind == CHECKPOINT:
            self.save()
        elif frame.kind != STOP:
            raise TrainingError(f"the trainer says {frame.kind}, which this learner does not support.")
        self._tell(STATUS)

    def _record_update(self) -> None:
        info, updates = self._learner.info, self._learner.sac.updates
        if info is not None and updates % _METRICS_EVERY_UPDATES == 0:
            self._record("update", **info._asdict())

    def _record(self, part: str, **figures: float) -> None:
        learner = self._learner
        counts = {"step": learner.step, "updates": learner.sac.updates, "decisions": learner.decisions}
        self._log.add(part, counts, **figures)

    @property
    def _finished(self) -> str:
        """Why nothing more is to be learned, or nothing."""
        learner, config = self._learner, self._learner.config
        if learner.step >= config.steps:
            return f"the budget of {config.steps} control steps is spent"
        if 0.0 < config.stop_at <= learner.recent_mean and len(learner.recent) == RECENT_EPISODES:
            return f"{learner.recent_mean:.2f} subtasks in order on average of the last {RECENT_EPISODES} episodes"
        return ""

    def _tell(self, kind: str) -> None:
        learner, run = self._learner, self._run
        figures: dict[str, float] = {
            "recent": learner.recent_mean,
            "target_divergence": learner.sac.cost_target,
            "checkpoint_age_s": time.monotonic() - self._saved_s if self._has_saved else float("nan"),
        }
        if learner.info is not None:
            figures |= learner.info._asdict()
        values: dict[str, Any] = {
            "finished": self._finished,
            "step": learner.step,
            "decisions": learner.decisions,
            "episodes": learner.episodes,
            "updates": learner.sac.updates,
            "updates_due": learner.updates_due,
            "figures": figures,
        }
        if kind == READY:
            values |= {
                "bundle": str((run.folder / SKILLS_FOLDER).absolute()),
                "skill_horizon": run.skills().config.model.skill_horizon,
                "task": run.config.training.task,
                "seed": run.config.training.seed,
                "subtasks": list(run.config.training.targets),
            }
        self._frames.send(kind, values)
        self._told_s = time.monotonic()


def open_run(out: Path, skills: Path | None, data: Path | None, preset: str, changes: list[str]) -> RlRun:
    """The run in a folder, or a new one there.

    Raises:
        SpirlError: it cannot be used, or a new one cannot be begun.
    """
    if (out / CONFIG_FILE).is_file():
        run = RlRun.open(out)
        if skills is not None and Path(run.skills_reference.folder) != skills.absolute():
            raise ConfigError(
                f"{out} learns with the skills in {run.skills_reference.folder}. Choose another folder for {skills}."
            )
    else:
        if skills is None:
            raise ConfigError(f"{out} holds no run to resume, and skills is empty: a folder of spirl skills train.")
        learner, training = resolve(preset, changes)
        if training.family is None and training.demos_in_replay:
            raise ConfigError(
                f"robot is '{training.robot}', but only demonstrations of a task family ({', '.join(family_names())}) "
                "can be given rewards for a task. Set demos_in_replay=false."
            )
        _check_method(out, training)
        trained = SkillRun.open(skills)
        source = Path(trained.config.dataset.folder) if data is None else data
        reference = SkillsReference(str(skills.absolute()), weights_digest(trained), str(source.absolute()))
        command = shlex.join([*sys.argv])
        run = RlRun.create(out, RlRunConfig(learner, training, reference, current_commit(), command))
    _check_method(out, run.config.training)
    return run


def _check_method(out: Path, training: RlTrainingConfig) -> None:
    if training.method != METHOD:
        raise ConfigError(f"{out} learns with method {training.method}, expected {METHOD} on an arm.")


def main(arguments: list[str] | None = None) -> int:
    """Run the process."""
    parser = argparse.ArgumentParser(prog="learner_process", description=__doc__)
    parser.add_argument("--socket", type=int, required=True, help="number of the inherited socket")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run, new or to go on with")
    parser.add_argument("--skills", type=Path, help="folder of spirl skills train, for a new run")
    parser.add_argument("--data", type=Path, help="where its dataset is now")
    parser.add_argument("--preset", default="best")
    parser.add_argument("--set", dest="changes", action="append", default=[])
    parser.add_argument("--checkpoint-every", type=float, default=300.0, help="seconds")
    parsed = parser.parse_args(arguments)
    # Whoever acts decides when to end: by a message, or by being gone.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    frames = FrameSocket(socket.socket(fileno=parsed.socket))
    try:
        parsed.out.mkdir(parents=True, exist_ok=True)
        _take_lock(parsed.out)
        is_new = not (parsed.out / CONFIG_FILE).is_file()
        run = open_run(parsed.out, parsed.skills, parsed.data, parsed.preset, parsed.changes)
        torch.set_num_threads(run.config.training.threads)
        try:
            learner = new_learner(run)
        except SpirlError:
            if is_new:  # begun just now, and refused: corrected settings make a new run of the same folder
                run.discard()
            raise
        LearnerProcess(frames, run, learner, parsed.checkpoint_every).serve()
    except (SpirlError, ModuleNotFoundError) as error:
        with suppress(OSError):
            parsed.out.rmdir()  # made above, where nothing came of it
        reason = explain(error) or str(error)
        print(f"learner: {reason}", file=sys.stderr, flush=True)
        frames.send(FAILED, {"reason": reason})
        return 2
    return 0


def _take_lock(out: Path) -> None:
    """One learner for a folder. The one before may still be saving: the kernel frees its lock when it ends."""
    folder = os.open(out, os.O_RDONLY)  # never closed: the lock is held as long as the process lives
    end_s = time.monotonic() + LOCK_PATIENCE_S
    while True:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if time.monotonic() > end_s:
                raise ConfigError(f"another learner works in {out}. End it, or choose another folder.") from error
            time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
