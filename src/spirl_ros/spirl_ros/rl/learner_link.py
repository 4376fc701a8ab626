"""Starts the learner's process and talks to it, without torch in this one."""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spirl_ros.deployment.bundle_description import LatentModelDescription
from spirl_ros.rl.frames import Frame, FrameSocket
from spirl_ros.rl.replay import SkillTransition, flat

_NUMBERS = {
    "progress": int,
    "reward": float,
    "next_progress": int,
    "terminated": bool,
    "truncated": bool,
    "steps": int,
}
"""Of a transition: what is no array."""
TRANSITION, EPISODE, CHECKPOINT, STOP = "transition", "episode", "checkpoint", "stop"
"""What goes to the learner."""
READY, STATUS, POLICY, FAILED = "ready", "status", "policy", "failed"
"""What comes from it."""


@dataclass
class LearnerStatus:
    """What the learner said last."""

    is_ready: bool = False
    """Whether its folder is open and its checkpoint loaded; it has said what follows."""
    failure: str = ""
    """Why it has ended; empty while it lives."""
    has_crashed: bool = False
    """Whether it ended without saying why."""
    finished: str = ""
    """Why nothing more is to be learned; empty while there is."""
    bundle: str = ""
    """Folder of the skills to learn with."""
    skill_horizon: int = 0
    subtasks: tuple[str, ...] = ()
    """Target subtasks of its task, in order."""
    task: str = ""
    seed: int = 0
    """Of the run."""
    step: int = 0
    """Control steps taken in."""
    decisions: int = 0
    """Transitions taken in."""
    episodes: int = 0
    updates: int = 0
    updates_due: int = 0
    """Gradient steps that what was taken in is worth and that are not done yet."""
    figures: dict[str, float] = field(default_factory=dict)
    """Of the last update: cost, temperature, critic_loss, policy_loss; recent, target_divergence, checkpoint_s."""


class PolicyFile(NamedTuple):
    """A policy as the learner hands it over."""

    model: bytes
    """What a bundle's policy.onnx holds."""
    description: LatentModelDescription


class LearnerLink:
    """The learner's process. It ends when this one does, however that ends, and saves what it has before."""

    def __init__(self, arguments: Sequence[str]) -> None:
        """Start it.

        Args:
            arguments: of learner_process, see there.
        """
        mine, theirs = socket.socketpair()
        self._frames = FrameSocket(mine)
        self.status = LearnerStatus()
        self.policy: PolicyFile | None = None
        """The newest; None before the first."""
        self.sent = 0
        """Transitions sent to this process."""
        self._decisions_before = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "spirl_ros.rl.learner_process", "--socket", str(theirs.fileno()), *arguments],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=dict(os.environ),
            start_new_session=True,  # Ctrl-C is for the one that acts; it says what is to be done
        )
        theirs.close()

    @property
    def process_id(self) -> int:
        """Of the learner."""
        return self._process.pid

    @property
    def decisions(self) -> int:
        """Transitions of the run so far, those on their way included."""
        return self._decisions_before + self.sent

    def add(self, transition: SkillTransition) -> None:
        """Hand a transition over."""
        arrays = flat(transition)
        values = {name: kind(arrays.pop(name)) for name, kind in _NUMBERS.items()}
        arrays = {name: np.asarray(array) for name, array in arrays.items()}
        self.sent += 1
        self._frames.send(TRANSITION, values, arrays)

    def end_episode(self, completed_in_order: int, reward: float) -> None:
        """Tell how an episode ended; a policy comes back when all updates due are done."""
        self.policy = None
        self._frames.send(EPISODE, {"completed_in_order": completed_in_order, "reward": reward})

    def ask_for_checkpoint(self) -> None:
        """Have everything saved."""
        self._frames.send(CHECKPOINT)

    def poll(self, timeout_s: float = 0.0) -> None:
        """Take in what the learner said."""
        for frame in self._frames.receive(timeout_s):
            self._take(frame)
        if self._frames.is_closed and not self.status.failure:
            self.status.has_crashed = True
            self.status.failure = f"the learner's process has ended with {self._process.wait()}; see its messages above"

    def end(self) -> None:
        """Have it save everything and end, without waiting for that; `close` does."""
        self._frames.send(STOP)

    def close(self, patience_s: float) -> bool:
        """Have it save everything and end; returns whether it did within that time. It goes on saving in any case."""
        self._frames.send(STOP)
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            return False
        finally:
            self._frames.close()
        return self._process.returncode == 0

    def _take(self, frame: Frame) -> None:
        status, values = self.status, frame.values
        if frame.kind == POLICY:
            about = LatentModelDescription(tuple(values["inputs"]), values["latent_limit"])
            self.policy = PolicyFile(frame.arrays["model"].tobytes(), about)
        elif frame.kind == FAILED:
            status.failure = values["reason"]
        elif frame.kind in (READY, STATUS):
            for name in ("finished", "step", "decisions", "episodes", "updates", "updates_due", "figures"):
                setattr(status, name, values[name])
            if frame.kind == READY:
                self._decisions_before = status.decisions
                status.is_ready, status.bundle, status.task = True, values["bundle"], values["task"]
                status.seed = values["seed"]
                status.skill_horizon, status.subtasks = values["skill_horizon"], tuple(values["subtasks"])


def learner_arguments(
    out: Path, skills: str, data: str, preset: str, changes: Sequence[str], checkpoint_every_s: float
) -> list[str]:
    """The learner's command line."""
    arguments = ["--out", str(out), "--preset", preset, "--checkpoint-every", str(checkpoint_every_s)]
    arguments += ["--skills", skills] if skills else []
    arguments += ["--data", data] if data else []
    return arguments + [part for change in changes for part in ("--set", change)]
