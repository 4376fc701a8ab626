"""Environment steps per second of our kitchen beside gymnasium-robotics' FrankaKitchen-v1."""

import warnings
from importlib.metadata import version

import numpy as np

from spirl_ros.benchmarks.interleaved import Comparison, compare
from spirl_ros.errors import SpirlError
from spirl_ros.tasks.environment_pool import EnvironmentPool
from spirl_ros.tasks.kitchen.environment import KitchenEnvironment

PEER = "FrankaKitchen-v1"


def compare_environments(rounds: int = 15, steps: int = 140, max_workers: int = 2) -> Comparison:
    """Random actions, the same ones for everybody, half an episode per round from the initial state.

    The peer is made by `gymnasium.make` as its documentation says and steps in one thread.
    """
    warnings.filterwarnings("ignore", module="gymnasium")
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (steps, 9))
    peer = _make_peer()
    pools = {
        workers: EnvironmentPool(KitchenEnvironment, count=workers, workers=workers)
        for workers in range(1, max_workers + 1)
    }

    def run_peer() -> int:
        peer.reset(seed=0)
        for action in actions:
            peer.step(action)
        return steps

    def run_pool(pool: EnvironmentPool) -> int:
        def episode(index: int) -> None:
            environment = pool.environments[index]
            environment.reset(seed=0)
            for action in actions:
                environment.step(action)

        pool.map(episode)
        return steps * len(pool.environments)

    contestants = {PEER: run_peer}
    for workers, pool in pools.items():
        contestants[f"ours, {workers} thread{'s' * (workers > 1)}"] = lambda pool=pool: run_pool(pool)
    versions = {package: version(package) for package in ("mujoco", "gymnasium-robotics", "numpy")}
    return compare(contestants, peer=PEER, unit="environment steps/s", rounds=rounds, versions=versions)


def _make_peer():
    import gymnasium
    import gymnasium_robotics

    gymnasium.register_envs(gymnasium_robotics)
    try:
        return gymnasium.make(PEER)
    except AssertionError as error:
        raise SpirlError(
            f"{PEER} does not run with mujoco {version('mujoco')} (it does up to 3.9), so there is nothing to compare "
            "with. Run this benchmark in the default environment: make setup."
        ) from error
