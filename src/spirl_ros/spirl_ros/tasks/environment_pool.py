"""Steps many environments at once in threads."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from spirl_ros.errors import ConfigError


class EnvironmentPool:
    """Environments that are stepped together; results do not depend on the number of workers.

    Threads suffice: the physics step releases the interpreter lock. Environment `i` always belongs to
    worker `i % workers`, and environments share nothing that changes.
    """

    def __init__(self, make_environment: Callable[[], Any], count: int, workers: int) -> None:
        """Make the environments.

        Args:
            make_environment: called `count` times; the result has `reset(seed)` and `step(action)`.
            count: how many environments.
            workers: how many threads; more than `count` are of no use.
        """
        if count < 1 or workers < 1:
            raise ConfigError(f"count is {count} and workers is {workers}, expected at least 1 of each.")
        self.environments = [make_environment() for _ in range(count)]
        self._workers = min(count, workers)
        self._executor = ThreadPoolExecutor(self._workers, thread_name_prefix="environment_pool")

    def reset(self, seeds: Sequence[int]) -> np.ndarray:
        """Reset every environment, each with its own seed. Returns observations (N, Do)."""
        return np.stack(self.map(lambda index: self.environments[index].reset(seeds[index])))

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Step every environment with its action; actions (N, Da).

        Returns:
            Observations (N, Do), rewards (N,), terminated (N,), truncated (N,).
        """
        results = self.map(lambda index: self.environments[index].step(actions[index]))
        observations, rewards, terminated, truncated = zip(*results, strict=True)
        return np.stack(observations), np.array(rewards), np.array(terminated), np.array(truncated)

    def map(self, work: Callable[[int], Any]) -> list[Any]:
        """Call `work(index)` once per environment in its worker; results in the order of the environments.

        Whole episodes can run inside `work`: that keeps both cores busy where single steps wait for each other.
        """
        results: list[Any] = [None] * len(self.environments)

        def run(worker: int) -> None:
            for index in range(worker, len(results), self._workers):
                results[index] = work(index)

        for future in [self._executor.submit(run, worker) for worker in range(self._workers)]:
            future.result()
        return results

    def close(self) -> None:
        """End the threads."""
        self._executor.shutdown()

    def __enter__(self) -> "EnvironmentPool":
        """Return the pool itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the threads."""
        self.close()
