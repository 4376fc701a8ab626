"""Where disturbances act on a simulated robot: on what is seen, and on when actions take effect."""

import numpy as np
import pytest

from spirl_ros.errors import ConfigError
from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.maze.family import MAZE
from spirl_ros.rl.decision_environment import TaskDecisions, action_executor
from spirl_ros.tasks.disturbance import NO_DISTURBANCE, Disturbance, DisturbedEpisodes
from spirl_ros.tasks.disturbed_physics import own_physics
from spirl_ros.tasks.skill_environment import SkillEnvironment
from spirl_ros.tasks.task import EpisodeConfig
from tests.tasks.small_family import ALONE, SMALL

_ACTIONS = np.random.default_rng(0).uniform(-1.0, 1.0, (8, 2))


def decisions(disturbance: Disturbance = NO_DISTURBANCE) -> TaskDecisions:
    return TaskDecisions(SMALL, EpisodeConfig(), action_executor(3, 2), disturbance)


def positions(environment: TaskDecisions, actions: np.ndarray, seed: int = 1) -> np.ndarray:
    """True ones after each action."""
    environment.reset(seed)
    found = []
    for action in actions:
        environment.step(action)
        found.append(environment.environment.measurement.observation())
    return np.array(found)


def test_undisturbed_episode_is_the_same_to_the_last_bit():
    plain = SkillEnvironment(SMALL.environment(), SMALL.robot.safe_arm(), action_executor(3, 2))
    plain.reset(1)
    expected = [plain.step(action).observation for action in _ACTIONS]
    assert np.array_equal(positions(decisions(), _ACTIONS), expected)


def test_arm_does_with_late_actions_what_it_does_with_the_earlier_ones():
    late = positions(decisions(Disturbance(action_delays=(2,))), _ACTIONS)
    shifted = np.concatenate((np.zeros((2, 2)), _ACTIONS[:-2]))
    assert np.array_equal(late, positions(decisions(), shifted))


def test_errors_are_in_what_is_seen_and_not_in_where_the_arm_goes():
    disturbed = decisions(Disturbance(offsets={"*": 0.5}, noise={"*": 0.1}))
    assert np.array_equal(positions(disturbed, _ACTIONS), positions(decisions(), _ACTIONS))
    first = disturbed.reset(1)
    assert np.abs(first).max() > 0.05
    assert np.array_equal(first, disturbed.reset(1)) and not np.array_equal(first, disturbed.reset(2))


def test_old_observations_are_those_of_the_step_before():
    plain, disturbed = decisions(), decisions(Disturbance(observation_delays=(1,)))
    seen = [plain.reset(1), *(plain.step(action).observation for action in _ACTIONS)]
    old = [disturbed.reset(1), *(disturbed.step(action).observation for action in _ACTIONS)]
    assert np.array_equal(old[1:], seen[:-1]) and np.array_equal(disturbed.observation, old[-1])


def test_vector_whose_values_the_state_has_too_errs_like_it():
    plain = TaskDecisions(MAZE, EpisodeConfig(task="goal"), action_executor(4, 2))
    disturbance = Disturbance(observation_delays=(2,), noise={"*": 0.1})
    disturbed = TaskDecisions(MAZE, EpisodeConfig(task="goal"), action_executor(4, 2), disturbance)
    for environment in (plain, disturbed):
        environment.reset(0)
        for _ in range(3):
            environment.step(np.ones(2))
    seen = disturbed.observe()
    assert np.array_equal(seen["velocity"], seen["state"][2:])
    assert not np.array_equal(seen["velocity"], plain.observe()["velocity"])
    assert {name: value.shape for name, value in seen.items()} == {"state": (4,), "velocity": (2,), "view": (32, 32, 3)}


def test_robot_without_a_simulator_cannot_be_disturbed():
    with pytest.raises(ConfigError, match="alone has no simulator"):
        TaskDecisions(ALONE, EpisodeConfig(), action_executor(3, 2), Disturbance(push=1.0))


@pytest.mark.parametrize("name", [*KITCHEN.disturbances(), "training"])
def test_kitchen_has_what_its_disturbances_are_about(name):
    disturbance = KITCHEN.training_disturbance() if name == "training" else KITCHEN.disturbances()[name]
    assert disturbance.about
    episodes = DisturbedEpisodes(disturbance, KITCHEN.robot)
    episodes.begin(1)
    seen = episodes.observe(KITCHEN.load_scene().initial_positions)
    assert seen.shape == (30,) and np.isfinite(seen).all()
    if disturbance.is_physical or disturbance.start:
        environment = KITCHEN.environment()
        positions = own_physics(environment, episodes).begin()
        assert np.isfinite(environment.reset(1, positions)).all()
