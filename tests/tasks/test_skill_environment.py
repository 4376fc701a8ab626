"""Skills and single actions in the kitchen, through skill executor and safety filter."""

import numpy as np
import pytest

from spirl_ros.control.skill_executor import SkillExecutor
from spirl_ros.errors import ConfigError
from spirl_ros.kitchen.environment import KitchenConfig, KitchenEnvironment
from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.tasks.skill_environment import SkillEnvironment


class LatentAsAction:
    """Decodes every action as the latent itself."""

    def decode(self, state: np.ndarray, latent: np.ndarray, step: int) -> np.ndarray:
        return latent.astype(float)


def make_environment(max_steps: int = 280, horizon: int = 4) -> SkillEnvironment:
    executor = SkillExecutor(LatentAsAction(), horizon, latent_size=9, observation_size=30, action_size=9)
    environment = KitchenEnvironment(KitchenConfig(max_steps=max_steps))
    return SkillEnvironment(environment, KITCHEN.robot.safe_arm(), executor)


def test_skill_does_what_its_actions_do_one_by_one():
    action = np.full(9, 0.25)
    with_skill, plain = make_environment(), KitchenEnvironment()
    with_skill.reset(seed=3)
    plain.reset(seed=3)
    result = with_skill.execute(action)
    expected = [plain.step(action) for _ in range(4)][-1]
    assert result.steps == 4 and not result.truncated
    np.testing.assert_array_equal(result.observation, expected.observation)
    assert with_skill.interventions == 0


def test_skill_ends_with_the_episode():
    environment = make_environment(max_steps=6)
    environment.reset(seed=0)
    assert environment.execute(np.zeros(9)).steps == 4
    last = environment.execute(np.zeros(9))
    assert last.steps == 2 and last.truncated and not last.terminated


def test_sudden_reversals_are_filtered_and_counted():
    environment = make_environment()
    environment.reset(seed=0)
    for sign in (1.0, -1.0, 1.0, -1.0):
        environment.step(np.full(9, sign))
    assert environment.interventions > 0
    environment.reset(seed=0)
    assert environment.interventions == 0


def test_restored_moment_continues_as_it_did():
    environment = make_environment()
    environment.reset(seed=1)
    environment.execute(np.full(9, 0.1))
    moment = environment.environment.save()
    environment.restore(moment)
    first = environment.execute(np.full(9, -0.1)).observation
    environment.restore(moment)
    np.testing.assert_array_equal(environment.execute(np.full(9, -0.1)).observation, first)


def test_skill_without_an_executor_is_refused():
    environment = KitchenEnvironment()
    with pytest.raises(ConfigError, match="no skill executor"):
        SkillEnvironment(environment, KITCHEN.robot.safe_arm()).execute(np.zeros(9))
