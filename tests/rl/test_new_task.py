"""The template for tasks in docs/new_task is no dead text: it runs, and what it says of itself holds."""

import importlib.util
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from spirl_ros.arms.robot_configuration import read_robot
from spirl_ros.control.skill_executor import SkillExecutor
from spirl_ros.rl.config import RlTrainingConfig
from spirl_ros.rl.decision_environment import ActionsAsLatents

TEMPLATE = Path(__file__).resolve().parents[2] / "docs" / "new_task" / "reach_task.py"


@pytest.fixture(scope="module")
def template():
    specification = importlib.util.spec_from_file_location("reach_task", TEMPLATE)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def task_of(template):
    return template.ReachTask(read_robot("ur5e"), SkillExecutor(ActionsAsLatents(), 1, 6, 6, 6))


def drive(task, home: float, places: list[float]) -> list[float]:
    """Rewards on the way to one place after the other."""
    rewards = []
    for place in places:
        for _ in range(30):
            error = home + place - task.observation[0]
            if abs(error) < 0.05:
                break
            rewards.append(task.execute(np.array([np.clip(3.0 * error, -1.0, 1.0), 0, 0, 0, 0, 0])).reward)
    return rewards


def test_places_count_in_their_order_only(template) -> None:
    task, home = task_of(template), read_robot("ur5e").home[0]
    assert sum(drive(task, home, [-0.4, 0.4])) == 1.0
    assert (task.completed_in_order, task.completed) == (1, ("left", "right", "home"))
    task.reset(1)
    assert sum(drive(task, home, [0.4, -0.4, 0.0])) == 3.0


def test_same_seed_and_latents_give_the_same_episode(template) -> None:
    first, second = task_of(template), task_of(template)
    latents = np.random.default_rng(0).uniform(-1.0, 1.0, (20, 6))
    for task in (first, second):
        task.reset(5)
    for latent in latents:
        np.testing.assert_array_equal(first.execute(latent).observation, second.execute(latent).observation)


def test_an_action_moves_what_was_commanded(template) -> None:
    """Led from the measured position an arm that lags moves at a share of the velocity that the action asks for."""
    task = task_of(template)
    task.reset(0)
    home = task.observation.copy()
    task._move = lambda joint_command: home  # an arm that does not follow at all
    sent = []
    for _ in range(10):
        task.execute(np.array([0.5, 0, 0, 0, 0, 0]))
        sent.append(task._commanded[0] - home[0])
    # 0.5 of 1 rad/s for 0.05 s is 0.025 rad a step, once the acceleration limit is behind.
    np.testing.assert_allclose(np.diff(sent)[-3:], 0.025, atol=1e-9)


def test_training_of_the_template_sets_the_number_of_threads(template, monkeypatch) -> None:
    """Left to torch, two threads were three times slower than one."""
    given = []
    monkeypatch.setattr(template.torch, "set_num_threads", given.append)
    template.make_training(RlTrainingConfig(method="sac", steps=60, demos_in_replay=False), None, None).close()
    assert given == [1]


def test_training_of_the_template_runs(template) -> None:
    config = RlTrainingConfig(
        method="sac",
        steps=60,
        demos_in_replay=False,
        warm_up_decisions=40,
        updates_per_decision=0.1,
        evaluate_every=60,
        evaluation_episodes=1,
    )
    with closing(template.make_training(config, None, None)) as training:
        reports = list(training.run())
    assert reports[-1].is_evaluation and reports[-1].updates >= 1
