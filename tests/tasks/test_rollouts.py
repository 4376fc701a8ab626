"""Environments that nobody touches from outside: seeds and latents go in, plain values come out."""

import pickle

import numpy as np
import pytest

from spirl_ros.tasks.rollouts import Rollouts, Situation, ThreadRollouts, run_episodes
from spirl_ros.tasks.skill_environment import SkillResult


class Counter:
    """Counts down from its seed, one for each decision of 7 control steps; seed 3 is cut off by time in the end."""

    def __init__(self) -> None:
        self._state = np.zeros(1)
        self.reset(0)

    @property
    def completed_in_order(self) -> int:
        return self._begun_at - int(self._state[0])

    @property
    def completed(self) -> tuple[str, ...]:
        return tuple("abcdefgh"[: self.completed_in_order])

    def reset(self, seed: int) -> None:
        self._begun_at = seed
        self._state[0] = seed  # changes in place, as some simulators' arrays do

    def observe(self) -> dict[str, np.ndarray]:
        return {"state": self._state}

    def execute(self, latent: np.ndarray) -> SkillResult:
        self._state[0] -= 1
        has_ended = bool(self._state[0] <= 0)
        is_cut_off = has_ended and self._begun_at == 3
        return SkillResult(self._state, float(latent[0]), has_ended and not is_cut_off, is_cut_off, 7)


def one(situation: Situation) -> np.ndarray:
    return np.ones(1)


def test_only_the_environments_that_are_named_begin_and_act() -> None:
    rollouts: Rollouts = ThreadRollouts(Counter, 3, 2)
    begun = rollouts.begin({0: 4, 2: 5})
    assert {index: float(begun[index].observation["state"][0]) for index in begun} == {0: 4.0, 2: 5.0}
    (result,) = rollouts.execute({2: np.array([0.5])}).values()
    assert (float(result.situation.observation["state"][0]), result.situation.completed_in_order) == (4.0, 1)
    assert (result.reward, result.steps, result.completed, result.has_ended) == (0.5, 7, ("a",), False)
    assert float(rollouts.execute({0: np.zeros(1)})[0].situation.observation["state"][0]) == 3.0
    rollouts.close()


def test_what_came_out_does_not_change_afterwards_and_goes_through_a_pipe() -> None:
    rollouts = ThreadRollouts(Counter, 1, 1)
    first = rollouts.begin({0: 3})[0]
    results = [rollouts.execute({0: np.zeros(1)})[0] for _ in range(3)]
    rollouts.close()
    assert [float(result.situation.observation["state"][0]) for result in results] == [2.0, 1.0, 0.0]
    assert float(first.observation["state"][0]) == 3.0
    assert [(result.terminated, result.truncated) for result in results] == [(False, False)] * 2 + [(False, True)]
    assert pickle.loads(pickle.dumps(results))[2].completed == ("a", "b", "c")


@pytest.mark.parametrize(("count", "workers"), [(1, 1), (2, 2), (9, 3)])
def test_episodes_come_in_the_order_of_their_seeds_whoever_ran_them(count: int, workers: int) -> None:
    rollouts = ThreadRollouts(Counter, count, workers)
    episodes = run_episodes(rollouts, [5, 1, 3, 2, 4], one)
    rollouts.close()
    assert [episode.reward for episode in episodes] == [5.0, 1.0, 3.0, 2.0, 4.0]
    assert [episode.last.situation.completed_in_order for episode in episodes] == [5, 1, 3, 2, 4]
    assert [episode.last.truncated for episode in episodes] == [False, False, True, False, False]
