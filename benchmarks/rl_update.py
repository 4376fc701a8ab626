"""Gradient steps of reinforcement learning beside the official one's, at the official sizes and with ours."""

import copy
import importlib.util
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.interleaved import Comparison, compare
from benchmarks.machine import Machine
from benchmarks.random_episodes import ACTION_SIZE, OBSERVATION_SIZE
from benchmarks.skill_inference import OFFICIAL_OBSERVATION_SIZE
from spirl_ros.control.observation_fields import STATE
from spirl_ros.rl.config import LearnerConfig, RlTrainingConfig
from spirl_ros.rl.learner import Foundation, make_sac, to_tensors
from spirl_ros.rl.networks import resolve_precision
from spirl_ros.rl.prior_sac import divergence_from_prior
from spirl_ros.rl.replay import Replay, SkillTransition, flat
from spirl_ros.rl.sight import StateSight
from spirl_ros.skills.config import SkillModelConfig, official_model
from spirl_ros.skills.gaussian import Gaussian, to_gaussian
from spirl_ros.skills.networks import make_mlp
from spirl_ros.skills.skill_model import SkillModel

if TYPE_CHECKING:
    from benchmarks.official_spirl import OfficialSpirl

PEER, OFFICIAL, BASELINES = "official update, written anew", "official code itself", "stable-baselines3 SAC"
UPDATES_PER_ROUND = 5
BATCH_SIZE = 256
OFFICIAL_CRITIC_LAYERS = 6
"""Hidden layers; with the output 7 linear ones."""
SUBTASKS = 4
LATENT_SIZE = 10
REPLAY_SIZES = (1_000, 10_000, 100_000, 1_000_000)


def compare_updates(rounds: int, threads: int, official: "OfficialSpirl | None" = None) -> Comparison:
    """Updates per second on random batches, drawing and the move of the target critics included.

    The peer is the official agent's step (clvrai/spirl e74ad23, rl/agents/prior_sac_agent.py: temperature, policy, two
    critics with an optimiser each, divergence from 10 samples) without its replay's sampling and logging. With
    `official`, the original is measured beside it. The SAC of stable-baselines3, where it is installed, has critics of
    the same sizes and a policy as large as the official one.
    """
    torch.set_num_threads(threads)
    machine = Machine("torch", "stable-baselines3", "numpy", threads=threads)
    sizes = LearnerConfig(critic_layers=OFFICIAL_CRITIC_LAYERS, critic_layer_norm=False, critic_precision="float32")
    in_bfloat16 = replace(sizes, critic_precision="bfloat16")
    best = LearnerConfig()
    contestants = {
        PEER: _official(),
        "ours, official sizes, float32": _ours(sizes, official_model(), OFFICIAL_OBSERVATION_SIZE),
        "ours, official sizes, bfloat16": _ours(in_bfloat16, official_model(), OFFICIAL_OBSERVATION_SIZE),
        f"ours, preset best, {resolve_precision(best.critic_precision)}": _ours(
            best, SkillModelConfig(), OBSERVATION_SIZE
        ),
    }
    if official is not None:
        contestants[OFFICIAL] = official.updates(BATCH_SIZE, UPDATES_PER_ROUND)
    if importlib.util.find_spec("stable_baselines3") is not None:
        contestants[BASELINES] = _stable_baselines()
    return compare(contestants, peer=PEER, unit="updates/s", rounds=rounds, machine=machine)


def compare_replays(rounds: int) -> Comparison:
    """Batches per second, as tensors, from replays that hold more and more transitions."""
    torch.set_num_threads(1)
    machine = Machine("torch", "numpy", threads=1)
    contestants = {f"{size} transitions": _drawing(size) for size in REPLAY_SIZES}
    return compare(contestants, peer=f"{REPLAY_SIZES[0]} transitions", unit="batches/s", rounds=rounds, machine=machine)


def _drawing(size: int, batches: int = 50) -> Callable[[], int]:
    replay, generator = (
        Replay(size, {STATE: np.zeros(OBSERVATION_SIZE, np.float32)}, LATENT_SIZE),
        np.random.default_rng(0),
    )
    rows = np.arange(size) % BATCH_SIZE
    columns = {name: column[rows] for name, column in flat(_random_batch(0, OBSERVATION_SIZE)).items()}
    replay.restore({"added": size, "columns": columns}, 1)

    def draw() -> int:
        for _ in range(batches):
            to_tensors(replay.draw(BATCH_SIZE, generator))
        return batches

    return draw


def _stable_baselines() -> Callable[[], int]:
    import gymnasium
    from stable_baselines3 import SAC
    from stable_baselines3.common.logger import Logger

    class Spaces(gymnasium.Env):
        """Sizes alone: it is never stepped."""

        observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (OFFICIAL_OBSERVATION_SIZE,), np.float32)
        action_space = gymnasium.spaces.Box(-1.0, 1.0, (LATENT_SIZE,), np.float32)

    model = SAC(
        "MlpPolicy",
        Spaces(),
        batch_size=BATCH_SIZE,
        buffer_size=BATCH_SIZE * UPDATES_PER_ROUND,
        policy_kwargs={"net_arch": {"pi": [128] * 7, "qf": [256] * OFFICIAL_CRITIC_LAYERS}},
        device="cpu",
        seed=0,
    )
    model.set_logger(Logger(None, []))
    for seed in range(UPDATES_PER_ROUND):
        batch = _random_batch(seed, OFFICIAL_OBSERVATION_SIZE)
        rows = zip(
            batch.observation[STATE], batch.next_observation[STATE], np.tanh(batch.latent), batch.reward, strict=True
        )
        for observation, later, action, reward in rows:
            model.replay_buffer.add(observation, later, action, reward, np.zeros(1), [{}])  # type: ignore[union-attr]

    def updates() -> int:
        model.train(gradient_steps=UPDATES_PER_ROUND, batch_size=BATCH_SIZE)
        return UPDATES_PER_ROUND

    return updates


def _ours(config: LearnerConfig, skills: SkillModelConfig, observation_size: int) -> Callable[[], int]:
    torch.manual_seed(0)
    model = SkillModel(skills, observation_size, ACTION_SIZE).eval()
    foundation = Foundation(
        StateSight(model.standardise, observation_size), model.prior.network, skills.latent_size, skills.skill_horizon
    )
    learner = make_sac(replace(config, batch_size=BATCH_SIZE), RlTrainingConfig(), foundation, SUBTASKS)
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
        observation={STATE: generator.standard_normal((BATCH_SIZE, observation_size), np.float32)},
        progress=progress,
        latent=generator.standard_normal((BATCH_SIZE, LATENT_SIZE), np.float32),
        reward=(generator.random(BATCH_SIZE) < 0.1).astype(np.float32),
        next_observation={STATE: generator.standard_normal((BATCH_SIZE, observation_size), np.float32)},
        next_progress=progress,
        terminated=np.zeros(BATCH_SIZE, np.bool_),
        truncated=np.zeros(BATCH_SIZE, np.bool_),
        steps=np.full(BATCH_SIZE, SkillModelConfig().skill_horizon),
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
        now, later = batch.observation[STATE], batch.next_observation[STATE]
        latent, cost = self._act(now)
        _step(self.optimise_alpha, (self.log_alpha.exp() * (5.0 - cost).detach()).mean())
        alpha = self.log_alpha.exp().detach()
        values = torch.min(*(_value(critic, now, latent) for critic in self.critics))
        loss_of_policy = (-values + alpha * cost).mean()
        with torch.no_grad():
            next_latent, next_cost = self._act(later)
            next_values = torch.min(*(_value(target, later, next_latent) for target in self.targets))
            target = batch.reward + 0.99 * (next_values - alpha * next_cost)
        values = [_value(critic, now, batch.latent) for critic in self.critics]
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
        cost = divergence_from_prior(gaussian, prior, samples=10).clamp(-100.0, 100.0)
        return 2.0 * torch.tanh(gaussian.sample()), cost


def _value(critic: nn.Module, observation: Tensor, latent: Tensor) -> Tensor:
    return critic(torch.cat((observation, latent), dim=-1)).squeeze(-1)


def _step(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
