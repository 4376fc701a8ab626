"""One episode on an arm as transitions: the observation that each skill was chosen on, and what came of it.

Needs no torch.
"""

from typing import NamedTuple

import numpy as np

from spirl_ros.control.episode_moments import TaskMoment
from spirl_ros.control.observation_fields import Observation
from spirl_ros.rl.replay import SkillTransition


class _Chosen(NamedTuple):
    observation: Observation
    task: TaskMoment
    latent: np.ndarray


class SkillCollection:
    """Follows one episode, skill by skill. Not thread-safe.

    A skill is complete when task and observation both tell of the time after its last control step. Rewards are counted
    by the task's running total, so that none is lost that came between two skills.
    """

    def __init__(self, episode: int) -> None:
        """Wait for the first word on this episode."""
        self.episode = episode
        self.reward = 0.0
        """Of the whole transitions so far."""
        self._chosen: _Chosen | None = None
        self._steps_expected: int | None = None

    def is_ready(self, task: TaskMoment, observed_ns: int) -> bool:
        """Whether a skill may be chosen: in this episode, on an observation not older than the task status."""
        return task.episode == self.episode and observed_ns >= task.stamp_ns

    def chosen(self, observation: Observation, task: TaskMoment, latent: np.ndarray) -> None:
        """A skill was sent, chosen on this observation after this word of the task."""
        self._chosen = _Chosen(_copied(observation), task, np.array(latent, np.float32))
        self._steps_expected = None

    def executed(self, steps: int, latent: np.ndarray) -> None:
        """The executor has sent all steps of it, with the latent that it really executed (Dz,)."""
        assert self._chosen is not None
        self._chosen = self._chosen._replace(latent=np.array(latent, np.float32))
        self._steps_expected = self._chosen.task.step + steps

    def take(self, observation: Observation, observed_ns: int, task: TaskMoment) -> SkillTransition | None:
        """The transition, once everything is there; None before.

        Args:
            observation: the newest whole one.
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
        return SkillTransition(
            observation=chosen.observation,
            progress=chosen.task.completed_in_order,
            latent=chosen.latent,
            reward=reward,
            next_observation=_copied(observation),
            next_progress=task.completed_in_order,
            terminated=task.terminated,
            truncated=task.truncated,
            steps=task.step - chosen.task.step,
        )


def _copied(observation: Observation) -> Observation:
    """In float32, as networks see it, but for pictures."""
    return {
        name: values.copy() if values.dtype == np.uint8 else values.astype(np.float32)
        for name, values in observation.items()
    }
