"""A policy in the maze sees picture, velocity and place, and as a bundle it does what it did in training."""

from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from spirl_ros.control.skill_choice import SkillChoiceConfig, SkillChooser
from spirl_ros.rl.config import LearnerConfig, RlTrainingConfig
from spirl_ros.rl.policy_bundle import exported_policy
from spirl_ros.rl.run import RlRun, RlRunConfig, SkillsReference, weights_digest
from spirl_ros.rl.train import simulated_training
from spirl_ros.rl.training import RlTraining
from tests.maze.trained_skills import TrainedSkills

LEARNER = LearnerConfig(batch_size=8, critic_hidden=16, critic_layers=2, waves=2, max_latent=6.0)
TRAINING = RlTrainingConfig(
    robot="maze",
    task="maze:goal",
    steps=400,
    warm_up_decisions=4,
    updates_per_decision=0.5,
    demos_in_replay=False,
    rewarded_share=0.3,
)


@pytest.fixture(scope="module")
def run(maze_skills: TrainedSkills, tmp_path_factory) -> RlRun:
    """One that has not begun."""
    skills = maze_skills.run
    reference = SkillsReference(str(skills.folder), weights_digest(skills), skills.config.dataset.folder)
    folder = tmp_path_factory.mktemp("rl") / "run"
    return RlRun.create(folder, RlRunConfig(LEARNER, TRAINING, reference))


def rounds(training: RlTraining, count: int) -> list:
    return [report._replace(recent=0.0) for report in islice(training.run(), count)]


def test_training_goes_on_to_the_last_bit(run: RlRun) -> None:
    with closing(simulated_training(run)) as whole, closing(simulated_training(run)) as half:
        expected = rounds(whole, 8)
        begun = rounds(half, 5)
        state = half.state()
        with closing(simulated_training(run)) as again:
            again.restore(state)
            assert [*begun, *rounds(again, 3)] == expected
            assert again.learner.sac.updates == 5  # 0.5 for each of the first 14 decisions but 4
            replay = again.learner.replay.state()["columns"]
        assert set(replay) > {"observation.state", "observation.velocity", "next_observation.view"}
        pictures = replay["pictures.view"]
        assert pictures.dtype == np.uint8 and pictures.std() > 10.0
        assert len(pictures) < 1.5 * len(replay["observation.view"])


def test_skills_are_chosen_in_lockstep_as_in_training(run: RlRun, tmp_path: Path) -> None:
    with closing(simulated_training(run)) as training:
        rounds(training, 8)
        sac = training.learner.sac
        with torch.no_grad():  # see the place as one that has learned for long
            assert sac.policy.from_more is not None
            sac.policy.from_more.weight.normal_(std=0.1, generator=torch.Generator().manual_seed(0))
        run.save_best(sac.policy.state_dict())
        bundle = exported_policy(run.folder, tmp_path / "bundle")
        about = bundle.description
        assert about.policy is not None and about.policy.inputs == ("velocity", "view", "state", "progress")
        assert about.policy.latent_limit == 6.0 and about.task == "maze:goal"
        chooser = SkillChooser(bundle.policy, bundle.prior, SkillChoiceConfig())
        situations = [episode.situation for episode in training._running.values()]
        for situation in situations:
            choice = chooser.choose(situation.observation, 0, np.random.default_rng(0))
            assert choice.source == "policy" and choice.fallback_reason == ""
            np.testing.assert_allclose(choice.latent, training._choose_best(situation), atol=1e-5)
        moved = {**situations[0].observation, "state": situations[0].observation["state"] + 5.0}
        there = chooser.choose(moved, 0, np.random.default_rng(0)).latent
        assert np.abs(there - training._choose_best(situations[0])).max() > 1e-3  # it sees where it is


def test_demonstrations_are_kept_with_the_fields_that_networks_see(run: RlRun) -> None:
    from spirl_ros.rl.learner import new_learner

    config = replace(run.config, training=replace(TRAINING, demos_in_replay=True, offline_updates=2))
    learner = new_learner(RlRun(run.folder, config))
    assert learner.demonstrations is not None and learner.updates_due == 2
    drawn = learner.demonstrations.draw(4, np.random.default_rng(0))
    np.testing.assert_array_equal(drawn.observation["velocity"], drawn.observation["state"][:, 2:])
    learner.update()
