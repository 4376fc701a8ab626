"""One episode on an arm as transitions: the observation that each skill was chosen on, and what came of it. Needs no torch."""

from typing import NamedTuple

import numpy as np

from spirl_ros.rl.transition import SkillTransition


class TaskWord(NamedTuple):
    """What the task says; for an arm without a task status this is made up by whoever counts its steps."""

    stamp_ns: int
    """The control step it is about [ns]."""
    episode: int
    step: int
    """Control steps since the reset."""
    total_reward: float
    """Since the reset."""
    completed_in_order: int
    terminated: bool
    truncated: bool


class _Chosen(NamedTuple):
    observation: np.ndarray
    task: TaskWord
    latent: np.ndarray


class SkillCollection:
    """Follows one episode, skill by skill. Not thread-safe.

    A skill is complete when task and observation both tell of the time after its last control step. Rewards are counted by the
    task's running total, so that none is lost that came between two skills.
    """

    def __init__(self, episode: int) -> None:
        """Wait for the first word on this episode."""
        self.episode = episode
        self.reward = 0.0
        """Of the whole transitions so far."""
        self._chosen: _Chosen | None = None
        self._steps_expected: int | None = None

    def is_ready(self, task: TaskWord, observed_ns: int) -> bool:
        """May a skill be chosen: the episode is this one, and the observation is not older than the task's last word."""
        return task.episode == self.episode and observed_ns >= task.stamp_ns

    def chosen(self, observation: np.ndarray, task: TaskWord, latent: np.ndarray) -> None:
        """A skill was sent, chosen on this observation (Do,) after this word of the task."""
        self._chosen = _Chosen(np.array(observation, np.float32), task, np.array(latent, np.float32))
        self._steps_expected = None

    def executed(self, steps: int, latent: np.ndarray) -> None:
        """The executor has sent all steps of it, with the latent that it really executed (Dz,)."""
        assert self._chosen is not None
        self._chosen = self._chosen._replace(latent=np.array(latent, np.float32))
        self._steps_expected = self._chosen.task.step + steps

    def take(self, observation: np.ndarray, observed_ns: int, task: TaskWord) -> tuple[SkillTransition, int] | None:
        """The transition, and its control steps, once everything is there; None before.

        Args:
            observation: the newest whole one (Do,).
            observed_ns: its stamp [ns].
            task: its newest word.
        """
        chosen = self._chosen
        if chosen is None or self._steps_expected is None or not self.is_ready(task, observed_ns):
            return None
        if task.step < self._steps_expected and not (task.terminated or task.truncated):
            return None
        self._chosen = None
        reward = task.total_reward - chosen.task.total_reward
        self.reward += reward
        transition = SkillTransition(
            observation=chosen.observation,
            progress=chosen.task.completed_in_order,
            latent=chosen.latent,
            reward=reward,
            next_observation=np.array(observation, np.float32),
            next_progress=task.completed_in_order,
            terminated=task.terminated,
            truncated=task.truncated,
        )
        return transition, task.step - chosen.task.step
