"""Single actions are held near what demonstrators did, and near is what gradient steps can keep to."""

import numpy as np
import torch

from spirl_ros.rl.config import LearnerConfig, RlTrainingConfig
from spirl_ros.rl.learner import make_sac, skill_foundation
from spirl_ros.skills.config import SkillModelConfig
from spirl_ros.skills.gaussian import divergence
from spirl_ros.skills.skill_model import SkillModel
from tests.demonstrations.small_dataset import make_episode


def test_action_that_never_varies_does_not_take_the_policy_out_of_reach() -> None:
    """Regression: with a closed gripper a standard deviation was 4e-4, the divergence 4e5 nats after two updates."""
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (200, 2))
    actions[:, 1] = 0.5
    episode = make_episode(200, actions=actions)
    model = SkillModel(SkillModelConfig(), 3, 2, np.zeros(3), np.ones(3)).eval()
    training = RlTrainingConfig(method="flat-prior", prior_steps=400, demos_in_replay=False)
    learner = make_sac(LearnerConfig(), training, skill_foundation(model, training, [episode]), subtasks=1)
    assert learner.prior is not None
    observation, progress = torch.randn(16, 3), torch.tensor([[1.0, 0.0]]).expand(16, 2)
    prior, policy = learner.prior(observation, progress), learner.policy(observation, progress)
    assert divergence(policy, prior).abs().max() < 1e-5  # it starts as its prior
    spread = prior.log_std.exp()
    assert spread[:, 1].min() > 0.049 and spread[:, 0].mean() > 0.4
    nudged = policy._replace(mean=policy.mean + 0.03)  # what an update does
    assert divergence(nudged, prior).sum(-1).max() < 1.0
