"""Environment steps per second of our kitchen beside gymnasium-robotics' FrankaKitchen-v1."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from benchmarks.interleaved import Comparison, compare
from benchmarks.machine import Machine
from spirl_ros.kitchen.environment import KitchenEnvironment
from spirl_ros.kitchen.franka_kitchen import FRANKA_KITCHEN, make_franka_kitchen
from spirl_ros.tasks.environment_pool import EnvironmentPool

STEPS_PER_EPISODE, STEPS_PER_ROUND = 140, 20


def worker_counts(most: int) -> list[int]:
    """1, 2, 4, … and the most."""
    return sorted({*(2**power for power in range(most.bit_length())), most})


def compare_environments(rounds: int, max_workers: int) -> Comparison:
    """Random actions, the same ones for everybody, in half episodes from the initial state.

    A round is short, because the speed of a shared machine changes within a second. The peer is made by
    `gymnasium.make` as its documentation says and steps in one thread.

    Args:
        rounds: counted rounds, at least 2.
        max_workers: threads of ours at most; see worker_counts.
    """
    machine = Machine("mujoco", "gymnasium-robotics", "numpy")
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (STEPS_PER_EPISODE // STEPS_PER_ROUND, STEPS_PER_ROUND, 9))
    peer = make_franka_kitchen()

    ours = KitchenEnvironment()
    pools = [
        EnvironmentPool(KitchenEnvironment, count=workers, workers=workers)
        for workers in worker_counts(max_workers)[1:]
    ]

    def run_one(environment: Any, rounds_of_episode: Iterator[np.ndarray | None]) -> int:
        for action in _next_round(rounds_of_episode, lambda: environment.reset(seed=0)):
            environment.step(action)
        return STEPS_PER_ROUND

    def run_pool(pool: EnvironmentPool, rounds_of_episode: Iterator[np.ndarray | None]) -> int:
        def steps(index: int) -> None:
            for action in round_actions:
                pool.environments[index].step(action)

        round_actions = _next_round(rounds_of_episode, lambda: pool.reset([0] * len(pool.environments)))
        pool.map(steps)
        return STEPS_PER_ROUND * len(pool.environments)

    contestants = {
        FRANKA_KITCHEN: partial(run_one, peer, _rounds(actions)),
        "ours, 1 thread": partial(run_one, ours, _rounds(actions)),
    }
    for pool in pools:
        contestants[f"ours, {len(pool.environments)} threads"] = partial(run_pool, pool, _rounds(actions))
    comparison = compare(contestants, peer=FRANKA_KITCHEN, unit="environment steps/s", rounds=rounds, machine=machine)
    for pool in pools:
        pool.close()
    return comparison


def _rounds(actions: np.ndarray) -> Iterator[np.ndarray | None]:
    """The actions (rounds, steps, Da) of an episode round by round, None before each new episode, without end."""
    while True:
        yield None
        yield from actions


def _next_round(rounds_of_episode: Iterator[np.ndarray | None], reset: Callable[[], object]) -> np.ndarray:
    """Actions of the next round, after a reset where an episode begins."""
    actions = next(rounds_of_episode)
    if actions is None:
        reset()
        actions = next(rounds_of_episode)
    assert actions is not None
    return actions
