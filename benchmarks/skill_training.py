"""Training steps of the skill model beside the official one's, on batches of the same size."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from benchmarks.interleaved import Comparison, compare
from benchmarks.machine import Machine
from benchmarks.random_episodes import ACTION_SIZE, random_episode
from benchmarks.skill_inference import OFFICIAL_OBSERVATION_SIZE
from spirl_ros.skills.config import SkillModelConfig, SkillTrainingConfig, official_model
from spirl_ros.skills.skill_model import SkillModel
from spirl_ros.skills.training import SkillTraining

if TYPE_CHECKING:
    from benchmarks.official_spirl import OfficialSpirl

PEER, OFFICIAL = "official step, written anew", "official code itself"
STEPS_PER_ROUND = 5
BATCH_SIZE = 128
"""Of the official kitchen configuration."""


def compare_training(rounds: int, official: "OfficialSpirl | None" = None) -> Comparison:
    """Windows per second in one thread, random data, drawing of the windows included on our side.

    The peer is the official model, losses and optimiser (clvrai/spirl e74ad23: closed loop, batch 128, RAdam) without
    its data loader, with torch's fused LSTM where the original steps through time in Python. With `official`, the
    original is measured beside it.
    """
    torch.set_num_threads(1)
    machine = Machine("torch", "numpy", threads=1)
    batch_size = SkillTrainingConfig().batch_size
    contestants = {
        PEER: _official(),
        "ours, same batch": _ours(SkillModelConfig(), BATCH_SIZE),
        f"ours, batch {batch_size}": _ours(SkillModelConfig(), batch_size),
    }
    if official is not None:
        contestants[OFFICIAL] = official.skill_training(BATCH_SIZE, STEPS_PER_ROUND)
    return compare(contestants, peer=PEER, unit="training windows/s", rounds=rounds, machine=machine)


def _official() -> Callable[[], int]:
    config = official_model()
    torch.manual_seed(0)
    model = SkillModel(config, OFFICIAL_OBSERVATION_SIZE, ACTION_SIZE)
    optimiser = torch.optim.RAdam(model.parameters(), lr=1e-3)
    observations = torch.randn(BATCH_SIZE, config.skill_horizon, OFFICIAL_OBSERVATION_SIZE)
    actions = torch.rand(BATCH_SIZE, config.skill_horizon, ACTION_SIZE) * 2.0 - 1.0

    def steps() -> int:
        for _ in range(STEPS_PER_ROUND):
            losses, _ = model.losses(observations, actions)
            total = losses.reconstruction + 5e-4 * losses.kl / config.latent_size + losses.prior
            optimiser.zero_grad(set_to_none=True)
            total.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
            optimiser.step()
        return STEPS_PER_ROUND * BATCH_SIZE

    return steps


def _ours(model: SkillModelConfig, batch_size: int) -> Callable[[], int]:
    config = replace(SkillTrainingConfig(), batch_size=batch_size, steps=10**9, validation_every=10**9)
    training = SkillTraining([random_episode(seed) for seed in range(20)], model, config)
    reports = training.run()

    def steps() -> int:
        for _ in range(STEPS_PER_ROUND):
            next(reports)
        return STEPS_PER_ROUND * batch_size

    return steps
