"""Our kitchen beside FrankaKitchen-v1 of gymnasium-robotics: the same actions and seed, the same numbers."""

from typing import Any

import gymnasium
import numpy as np
import pytest

from spirl_ros.kitchen.environment import KitchenConfig, KitchenEnvironment
from spirl_ros.kitchen.subtasks import SUBTASKS, TASKS

gymnasium_robotics = pytest.importorskip("gymnasium_robotics")
PEER = "FrankaKitchen-v1"


def make_peer(subtasks: tuple[str, ...]) -> Any:
    gymnasium.register_envs(gymnasium_robotics)
    names = [subtask.replace("_", " ") for subtask in subtasks]
    try:
        return gymnasium.make(PEER, tasks_to_complete=names, disable_env_checker=True)
    except AssertionError:
        pytest.skip(f"{PEER} of gymnasium-robotics does not start with this mujoco (it does up to 3.9)")


def actions_of(seed: int) -> np.ndarray:
    """Slow random motion, which also reaches the furniture, over a whole episode."""
    rng = np.random.default_rng(seed)
    return np.clip(np.repeat(rng.normal(0.0, 0.8, (28, 9)), 10, axis=0) + rng.normal(0.0, 0.2, (280, 9)), -1.5, 1.5)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_same_actions_and_seed_give_same_states_for_whole_episodes(seed: int) -> None:
    peer = make_peer(TASKS["kitchen"])
    ours = KitchenEnvironment(KitchenConfig(count="any"))
    for episode in range(2):
        theirs, _ = peer.reset(seed=seed + 100 * episode)
        observation = ours.reset(seed + 100 * episode)
        peer_truncated = False
        for action in actions_of(seed + episode):
            np.testing.assert_allclose(observation[:9], theirs["observation"][:9], atol=1e-9, rtol=0)
            np.testing.assert_allclose(observation[9:], theirs["observation"][18:39], atol=1e-9, rtol=0)
            theirs, reward, terminated, peer_truncated, info = peer.step(action)
            result = ours.step(action)
            observation = result.observation
            data = peer.unwrapped.data
            np.testing.assert_allclose(ours.simulation.data.qpos, data.qpos, atol=1e-9, rtol=0)
            np.testing.assert_allclose(ours.simulation.data.qvel, data.qvel, atol=1e-9, rtol=0)
            assert (result.reward, result.terminated, result.truncated) == (reward, terminated, peer_truncated)
        assert peer_truncated, "the episode was meant to run for all its 280 steps"


def test_completions_agree_while_an_operator_does_all_subtasks_of_the_task() -> None:
    from spirl_ros.kitchen.operator import KitchenOperator

    chain = ("microwave", "kettle", "bottom_burner", "light_switch")
    peer = make_peer(chain)
    ours = KitchenEnvironment(KitchenConfig(task=",".join(chain), count="any"))
    operator = KitchenOperator(ours.scene)
    peer.reset(seed=5)
    observation = ours.reset(5)
    operator.start(chain, seed=5)
    rewards = []
    while (action := operator.act(observation)) is not None:
        result = ours.step(action)
        _, reward, terminated, truncated, info = peer.step(action)
        assert (result.reward, result.terminated, result.truncated) == (reward, terminated, truncated)
        completed = [name.replace(" ", "_") for name in info["episode_task_completions"]]
        assert sorted(completed) == sorted(set(ours.progress.completed_at_step) & set(chain))
        rewards.append(reward)
        observation = result.observation
        if terminated or truncated:
            break
    assert sum(rewards) == 4.0
    np.testing.assert_allclose(ours.simulation.data.qpos, peer.unwrapped.data.qpos, atol=1e-9, rtol=0)


def test_goals_are_those_of_the_package() -> None:
    kitchen_env = pytest.importorskip("gymnasium_robotics.envs.franka_kitchen.kitchen_env")
    ours = KitchenEnvironment()
    assert [name.replace("_", " ") for name in SUBTASKS] == list(kitchen_env.OBS_ELEMENT_GOALS)
    rng = np.random.default_rng(0)
    goals = np.zeros(30)
    for name, goal in kitchen_env.OBS_ELEMENT_GOALS.items():
        goals[kitchen_env.OBS_ELEMENT_INDICES[name]] = goal
    seen = set()
    for _ in range(300):
        qpos = goals + rng.normal(0.0, 0.25, 30) * (rng.random(30) < 0.5)
        expected = {
            name.replace(" ", "_")
            for name, goal in kitchen_env.OBS_ELEMENT_GOALS.items()
            if np.linalg.norm(qpos[kitchen_env.OBS_ELEMENT_INDICES[name]] - goal) < kitchen_env.BONUS_THRESH
        }
        assert ours.family.done_now(qpos) == expected
        seen.add(len(expected))
    assert len(seen) > 3
