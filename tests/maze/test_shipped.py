"""The shipped skills and policy of the maze, in process."""

import json

import numpy as np
import pytest

pytest.importorskip("mujoco")
pytest.importorskip("onnxruntime")

from spirl_ros.commands.main import main
from spirl_ros.deployment.bundle import Bundle, load_bundle
from spirl_ros.errors import ConfigError
from spirl_ros.maze.family import MAZE
from spirl_ros.maze.picture import VIEW
from spirl_ros.maze.point_maze_evaluation import evaluate_in_point_maze
from spirl_ros.rl.evaluation import EvaluationSettings
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


def test_policy_reaches_the_goal_in_point_maze_too(capsys: pytest.CaptureFixture[str]) -> None:
    """gymnasium-robotics' own dynamics; nothing of our simulation, executor and safety filter."""
    pytest.importorskip("gymnasium_robotics")
    evaluation = ["rl", "eval", "--bundle", str(shipped("models/maze")), "--peer", "--episodes", "3", "--json"]
    assert main(evaluation) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (figures["ordered_mean"], figures["per_subtask"]) == (1.0, {"goal": 1.0})
    assert main([*evaluation, "--disturb", "actions_1_late"]) == 2
    assert "PointMaze_UMaze-v3 runs undisturbed episodes alone" in capsys.readouterr().err
    skills = shipped("models/kitchen")
    with pytest.raises(ConfigError, match="does not observe what PointMaze_UMaze-v3 gives"):
        evaluate_in_point_maze(load_bundle(skills, "cpu"), EvaluationSettings())
