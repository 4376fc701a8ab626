"""The shipped skills and policy of the maze, in process."""

import numpy as np
import pytest

pytest.importorskip("mujoco")
pytest.importorskip("onnxruntime")

from spirl_ros.deployment.bundle import Bundle, load_bundle
from spirl_ros.maze.family import MAZE
from spirl_ros.maze.picture import VIEW
from spirl_ros.shipped import shipped
from spirl_ros.tasks.skill_environment import SkillEnvironment
from spirl_ros.tasks.task import EpisodeConfig


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(shipped("models/maze"), "cpu")


def episode(bundle: Bundle, seed: int) -> int:
    """Targets that are completed with the mean action, 0 or 1."""
    environment = MAZE.environment(EpisodeConfig("goal"))
    rollout = SkillEnvironment(environment, MAZE.robot.safe_arm(), bundle.executor())
    rollout.reset(seed)
    assert bundle.policy is not None
    while not environment.has_ended:
        rollout.execute(bundle.policy.distribution(rollout.observe()).latent)
    return environment.progress.completed_in_order


def test_policy_reaches_the_goal(bundle: Bundle) -> None:
    assert [episode(bundle, seed) for seed in range(1000, 1004)] == [1, 1, 1, 1]


def test_prior_and_policy_go_by_the_picture_and_the_prior_knows_no_place(bundle: Bundle) -> None:
    assert bundle.policy is not None and bundle.prior.seen == ("velocity", "view")
    rollout = SkillEnvironment(MAZE.environment(EpisodeConfig("goal")), MAZE.robot.safe_arm())
    rollout.reset(0)
    seen = rollout.observe()
    other = {**seen, VIEW.name: np.ascontiguousarray(seen[VIEW.name].transpose(1, 0, 2))}
    for model in (bundle.prior, bundle.policy):
        change = model.distribution(seen).mean - model.distribution(other).mean
        assert np.abs(change).max() > 0.1
