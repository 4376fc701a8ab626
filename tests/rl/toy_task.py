"""Two doors behind each other: a task that is learned in seconds. The latent's sign opens a door, or not."""

from functools import partial

import numpy as np
import torch
from torch import nn

from spirl_ros.rl.config import LearnerConfig, RlTrainingConfig
from spirl_ros.rl.learner import Foundation, Learner, make_sac
from spirl_ros.rl.replay import Replay
from spirl_ros.rl.sight import StateSight
from spirl_ros.rl.training import RlTraining
from spirl_ros.skills.networks import make_mlp
from spirl_ros.tasks.rollouts import ThreadRollouts
from spirl_ros.tasks.skill_environment import SkillResult

STEPS_PER_DECISION, MAX_DECISIONS = 2, 4
LEARNER = LearnerConfig(
    batch_size=32,
    critic_hidden=32,
    critic_layers=2,
    policy_hidden=16,
    policy_layers=2,
    learning_rate=3e-3,
    tau=0.05,
    skill_discount=0.8,
    late_from=1.0,
    target_divergence=4.0,
)
TRAINING = RlTrainingConfig(
    steps=300,
    updates_per_decision=1.0,
    warm_up_decisions=60,
    demos_in_replay=False,
    evaluate_every=100,
    evaluation_episodes=4,
)


class TwoDoors:
    """The first door opens for a first latent value above 1, the second for one below -1; 4 decisions are allowed."""

    def __init__(self) -> None:
        self.reset(0)

    @property
    def completed(self) -> tuple[str, ...]:
        return ("first", "second")[: self.completed_in_order]

    def reset(self, seed: int) -> np.ndarray:
        self._generator = np.random.default_rng(seed)
        self.completed_in_order = self._decisions = 0
        return self._look()

    def execute(self, latent: np.ndarray) -> SkillResult:
        self._decisions += 1
        is_right = latent[0] > 1.0 if self.completed_in_order == 0 else latent[0] < -1.0
        self.completed_in_order += bool(is_right)
        terminated = self.completed_in_order == 2
        truncated = not terminated and self._decisions == MAX_DECISIONS
        return SkillResult(self._look(), float(is_right), terminated, truncated, STEPS_PER_DECISION)

    def observe(self) -> dict[str, np.ndarray]:
        return {"state": self._state}

    def _look(self) -> np.ndarray:
        """Which door comes next, and noise."""
        self._state = np.array([self.completed_in_order, 0.1 * self._generator.standard_normal()])
        return self._state


def toy_training(
    training: RlTrainingConfig = TRAINING, learner: LearnerConfig = LEARNER, demonstrations: Replay | None = None
) -> RlTraining:
    """A training whose prior is about N(0, 0.67^2): it opens a door in 7 % of its tries."""
    torch.manual_seed(training.seed)
    network = make_mlp(2, 4, 16, 2, "layer")
    with torch.no_grad():
        network[-1].weight.mul_(0.01)  # type: ignore[operator]
        network[-1].bias[2:].fill_(-0.4)  # type: ignore[index,operator]
    foundation = Foundation(StateSight(nn.Identity(), 2), network, latent_size=2, skill_horizon=STEPS_PER_DECISION)
    sac = make_sac(learner, training, foundation, subtasks=2)
    return RlTraining(Learner(training, sac, demonstrations), partial(ThreadRollouts, TwoDoors))
