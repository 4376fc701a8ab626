import numpy as np
import pytest

from spirl_ros.errors import CommandError, ConfigError
from spirl_ros.kitchen.environment import KitchenEnvironment
from spirl_ros.tasks.environment_pool import EnvironmentPool


def rollout(workers: int) -> list[np.ndarray]:
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (10, 3, 9))
    with EnvironmentPool(KitchenEnvironment, count=3, workers=workers) as pool:
        observations = [pool.reset([4, 5, 6])]
        for action in actions:
            observation, reward, terminated, truncated = pool.step(action)
            assert reward.shape == terminated.shape == truncated.shape == (3,)
            observations.append(observation)
    return observations


def test_result_does_not_depend_on_the_number_of_workers() -> None:
    one = rollout(workers=1)
    assert one[0].shape == (3, 30)
    for other in (rollout(workers=2), rollout(workers=5)):
        np.testing.assert_array_equal(np.stack(one), np.stack(other))


def test_error_of_one_environment_reaches_the_caller() -> None:
    with EnvironmentPool(KitchenEnvironment, count=2, workers=2) as pool:
        with pytest.raises(CommandError):
            pool.step(np.full((2, 9), np.nan))


@pytest.mark.parametrize(("count", "workers"), [(0, 1), (1, 0)])
def test_empty_pool_is_refused(count: int, workers: int) -> None:
    with pytest.raises(ConfigError):
        EnvironmentPool(KitchenEnvironment, count=count, workers=workers)
