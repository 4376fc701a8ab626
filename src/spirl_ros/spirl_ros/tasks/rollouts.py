"""Several environments that carry out decisions side by side: in threads here; elsewhere in processes, or on one arm.

Only plain values go in and come out, so that the environments may be anywhere. Nobody else touches them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from spirl_ros.control.observation_fields import Observation
from spirl_ros.tasks.environment_pool import EnvironmentPool
from spirl_ros.tasks.skill_environment import SkillResult


class Situation(NamedTuple):
    """What a decision is made on."""

    observation: Observation
    """The present one."""
    completed_in_order: int
    """Target subtasks completed in order in this episode, 0 to K."""


class DecisionResult(NamedTuple):
    """What one decision gave."""

    situation: Situation
    """After its last control step."""
    reward: float
    """Undiscounted sum over its control steps."""
    terminated: bool
    """Whether the task ended within it."""
    truncated: bool
    """Whether time ran out within it."""
    steps: int
    """Control steps carried out."""
    completed: tuple[str, ...]
    """Target subtasks completed in this episode, in any order."""

    @property
    def has_ended(self) -> bool:
        """Whether the episode is over."""
        return self.terminated or self.truncated


class Rollouts(Protocol):
    """Environments 0 to N-1. The same seed and latents give the same episode in any of them, to the last bit."""

    count: int
    """N."""

    def begin(self, seeds: Mapping[int, int]) -> dict[int, Situation]:
        """Begin an episode in some environments, each with its own seed; returns what each shows then."""
        ...

    def execute(self, decisions: Mapping[int, np.ndarray]) -> dict[int, DecisionResult]:
        """Carry out a latent (Dz,) in some environments, to its end or to the episode's, and wait for all of them."""
        ...

    def close(self) -> None:
        """End what runs the environments."""
        ...


class DecisionEnvironment(Protocol):
    """One environment as threads need it. The same seed and latents give the same episode to the last bit."""

    @property
    def completed_in_order(self) -> int:
        """Target subtasks completed in order in this episode, 0 to K."""
        ...

    @property
    def completed(self) -> tuple[str, ...]:
        """Target subtasks completed in this episode, in any order."""
        ...

    def observe(self) -> Observation:
        """The present observation, of all fields that decisions are made on."""
        ...

    def reset(self, seed: int) -> Any:
        """Begin an episode."""
        ...

    def execute(self, latent: np.ndarray) -> SkillResult:
        """Carry out a latent (Dz,) to its end, or to the episode's."""
        ...


class ThreadRollouts:
    """Environments in threads of this process; results do not depend on the number of workers."""

    def __init__(self, make_environment: Callable[[], DecisionEnvironment], count: int, workers: int) -> None:
        """Make the environments, which share nothing that changes."""
        self.count = count
        self._pool = EnvironmentPool(make_environment, count, workers)

    def begin(self, seeds: Mapping[int, int]) -> dict[int, Situation]:
        """See Rollouts."""

        def begin_one(environment: DecisionEnvironment, seed: int) -> Situation:
            environment.reset(seed)
            return _situation(environment)

        return self._in_each(begin_one, seeds)

    def execute(self, decisions: Mapping[int, np.ndarray]) -> dict[int, DecisionResult]:
        """See Rollouts."""

        def execute_one(environment: DecisionEnvironment, latent: np.ndarray) -> DecisionResult:
            _, reward, terminated, truncated, steps = environment.execute(latent)
            now = _situation(environment)
            return DecisionResult(now, reward, terminated, truncated, steps, environment.completed)

        return self._in_each(execute_one, decisions)

    def close(self) -> None:
        """End the threads."""
        self._pool.close()

    def _in_each(self, work: Callable[[DecisionEnvironment, Any], Any], given: Mapping[int, Any]) -> dict[int, Any]:
        environments = self._pool.environments
        results = self._pool.map(lambda i: work(environments[i], given[i]) if i in given else None)
        return {index: results[index] for index in given}


class WholeEpisode(NamedTuple):
    """One episode from beginning to end."""

    reward: float
    """Undiscounted sum."""
    last: DecisionResult
    """Of its last decision."""


def run_episodes(
    rollouts: Rollouts, seeds: Sequence[int], choose: Callable[[Situation], np.ndarray]
) -> list[WholeEpisode]:
    """Whole episodes, as many at the same time as there are environments.

    Args:
        rollouts: the environments.
        seeds: of each episode.
        choose: the latent (Dz,) for a situation; called for one at a time.

    Returns:
        One result for each seed, in their order.
    """
    results: list[WholeEpisode | None] = [None] * len(seeds)
    waiting = iter(range(len(seeds)))
    running = dict(zip(range(rollouts.count), waiting, strict=False))
    """Number of the episode in each environment that has one."""
    situations = rollouts.begin({index: seeds[episode] for index, episode in running.items()})
    rewards = [0.0] * len(seeds)
    while running:
        given = rollouts.execute({index: choose(situations[index]) for index in running})
        begun = {}
        for index, result in given.items():
            episode, situations[index] = running[index], result.situation
            rewards[episode] += result.reward
            if result.has_ended:
                results[episode] = WholeEpisode(rewards[episode], result)
                following = next(waiting, None)
                if following is None:
                    del running[index]
                else:
                    running[index] = following
                    begun[index] = seeds[following]
        if begun:
            situations |= rollouts.begin(begun)
    return [result for result in results if result is not None]


def _situation(environment: DecisionEnvironment) -> Situation:
    observation = {name: np.array(values) for name, values in environment.observe().items()}
    return Situation(observation, environment.completed_in_order)
