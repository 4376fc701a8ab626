"""Gradient steps of reinforcement learning beside the official one's, at the official sizes and with ours."""

import copy
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import torch
from torch import Tensor, nn

from spirl_ros.benchmarks.interleaved import Comparison, compare
from spirl_ros.benchmarks.skill_inference import OBSERVATION_SIZE, OFFICIAL_OBSERVATION_SIZE
from spirl_ros.rl.config import LearnerConfig, RlTrainingConfig
from spirl_ros.rl.critic import resolve_precision
from spirl_ros.rl.learner_setup import Foundation, make_learner
from spirl_ros.rl.prior_sac import prior_divergence
from spirl_ros.rl.replay import to_tensors
from spirl_ros.rl.transition import SkillTransition
from spirl_ros.skills.config import SkillModelConfig, official_model
from spirl_ros.skills.gaussian import Gaussian, to_gaussian
from spirl_ros.skills.networks import make_mlp
from spirl_ros.skills.skill_model import SkillModel

PEER = "official update, written anew"
UPDATES_PER_ROUND = 5
BATCH_SIZE = 256
OFFICIAL_CRITIC_LAYERS = 6
"""Hidden layers; with the output 7 linear ones."""
SUBTASKS = 4
SKILL_HORIZON, LATENT_SIZE, ACTION_SIZE = 10, 10, 9


def compare_updates(rounds: int, threads: int) -> Comparison:
    """Updates per second on random batches, drawing and the move of the target critics included.

    The peer is the official agent's step (clvrai/spirl e74ad23, rl/agents/prior_sac_agent.py: temperature, policy, two
    critics with an optimiser each, divergence from 10 samples) without its replay's sampling and logging.
    """
    torch.set_num_threads(threads)
    official = LearnerConfig(critic_layers=OFFICIAL_CRITIC_LAYERS, critic_layer_norm=False, critic_precision="float32")
    in_bfloat16 = replace(official, critic_precision="bfloat16")
    best = LearnerConfig()
    contestants = {
        PEER: _official(),
        "ours, official sizes, float32": _ours(official, official_model(), OFFICIAL_OBSERVATION_SIZE),
        "ours, official sizes, bfloat16": _ours(in_bfloat16, official_model(), OFFICIAL_OBSERVATION_SIZE),
        f"ours, preset best, {resolve_precision(best.critic_precision)}": _ours(
            best, SkillModelConfig(), OBSERVATION_SIZE
        ),
    }
    versions = {"torch": version("torch"), "numpy": version("numpy"), "threads": str(threads)}
    return compare(contestants, peer=PEER, unit="updates/s", rounds=rounds, versions=versions)


def _ours(config: LearnerConfig, skills: SkillModelConfig, observation_size: int) -> Callable[[], int]:
    torch.manual_seed(0)
    model = SkillModel(skills, observation_size, ACTION_SIZE).eval()
    foundation = Foundation(
        model.standardise, model.prior.network, observation_size, skills.latent_size, skills.skill_horizon
    )
    learner = make_learner(replace(config, batch_size=BATCH_SIZE), RlTrainingConfig(), foundation, SUBTASKS)
    batches = [_random_batch(seed, observation_size) for seed in range(UPDATES_PER_ROUND)]

    def updates() -> int:
        for batch in batches:
            learner.update(to_tensors(batch), config.learning_rate)
        return len(batches)

    return updates


def _random_batch(seed: int, observation_size: int) -> SkillTransition:
    generator = np.random.default_rng(seed)
    progress = generator.integers(SUBTASKS, size=BATCH_SIZE)
    return SkillTransition(
        observation=generator.standard_normal((BATCH_SIZE, observation_size), np.float32),
        progress=progress,
        latent=generator.standard_normal((BATCH_SIZE, LATENT_SIZE), np.float32),
        reward=(generator.random(BATCH_SIZE) < 0.1).astype(np.float32),
        next_observation=generator.standard_normal((BATCH_SIZE, observation_size), np.float32),
        next_progress=progress,
        terminated=np.zeros(BATCH_SIZE, np.bool_),
        truncated=np.zeros(BATCH_SIZE, np.bool_),
    )


def _official() -> Callable[[], int]:
    torch.manual_seed(0)
    agent = _OfficialAgent()
    batches = [to_tensors(_random_batch(seed, OFFICIAL_OBSERVATION_SIZE)) for seed in range(UPDATES_PER_ROUND)]

    def updates() -> int:
        for batch in batches:
            agent.update(batch)
        return len(batches)

    return updates


class _OfficialAgent:
    """The official networks and what its update computes, in its order."""

    def __init__(self) -> None:
        prior = SkillModel(official_model(), OFFICIAL_OBSERVATION_SIZE, ACTION_SIZE).prior.network.eval()
        self.prior = prior.requires_grad_(False)
        self.policy = copy.deepcopy(prior).requires_grad_(True)
        size = OFFICIAL_OBSERVATION_SIZE + LATENT_SIZE
        self.critics = [make_mlp(size, 1, 256, OFFICIAL_CRITIC_LAYERS, "none") for _ in range(2)]
        self.targets = [copy.deepcopy(critic).requires_grad_(False) for critic in self.critics]
        self.log_alpha = torch.zeros((), requires_grad=True)
        self.optimise_policy = torch.optim.Adam(self.policy.parameters(), lr=3e-4)
        self.optimise_critics = [torch.optim.Adam(critic.parameters(), lr=3e-4) for critic in self.critics]
        self.optimise_alpha = torch.optim.Adam([self.log_alpha], lr=3e-4)

    def update(self, batch: SkillTransition) -> None:
        latent, cost = self._act(batch.observation)
        _step(self.optimise_alpha, (self.log_alpha.exp() * (5.0 - cost).detach()).mean())
        alpha = self.log_alpha.exp().detach()
        values = torch.min(*(_value(critic, batch.observation, latent) for critic in self.critics))
        loss_of_policy = (-values + alpha * cost).mean()
        with torch.no_grad():
            next_latent, next_cost = self._act(batch.next_observation)
            next_values = torch.min(*(_value(target, batch.next_observation, next_latent) for target in self.targets))
            target = batch.reward + 0.99 * (next_values - alpha * next_cost)
        values = [_value(critic, batch.observation, batch.latent) for critic in self.critics]
        losses = [0.5 * (value - target).square().mean() for value in values]
        _step(self.optimise_policy, loss_of_policy)
        for optimiser, loss in zip(self.optimise_critics, losses, strict=True):
            _step(optimiser, loss)
        for critic, target_critic in zip(self.critics, self.targets, strict=True):
            for new, old in zip(critic.parameters(), target_critic.parameters(), strict=True):
                old.data.copy_(0.995 * old.data + 0.005 * new.data)

    def _act(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        gaussian = to_gaussian(self.policy(observation))
        with torch.no_grad():
            prior: Gaussian = to_gaussian(self.prior(observation))
        cost = prior_divergence(gaussian, prior, samples=10).clamp(-100.0, 100.0)
        return 2.0 * torch.tanh(gaussian.sample()), cost


def _value(critic: nn.Module, observation: Tensor, latent: Tensor) -> Tensor:
    return critic(torch.cat((observation, latent), dim=-1)).squeeze(-1)


def _step(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
