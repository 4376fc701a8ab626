"""How well a skill model reproduces held-out demonstrations, without a simulator."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from spirl_ros.demonstrations.episode import Episode
from spirl_ros.demonstrations.skill_windows import SkillWindows
from spirl_ros.skills.gaussian import divergence, standard_normal_like
from spirl_ros.skills.skill_model import SkillModel


@dataclass(frozen=True)
class ReconstructionReport:
    """Averages over all windows of some episodes."""

    windows: int
    squared_error: float
    """Of an action value, decoded from the posterior's mean at the demonstration's observations."""
    squared_error_per_joint: tuple[float, ...]
    """(Da,)."""
    explained_per_joint: tuple[float, ...]
    """R²: the share of a joint's variance that is reproduced (Da,); 0 for its mean alone, and where it stands still."""
    squared_error_per_step: tuple[float, ...]
    """(H,)."""
    kl: float
    """KL(q || N(0, I)) [nats]."""
    prior_divergence: float
    """KL(q || p), posterior from the prior's most likely Gaussian [nats]: what reinforcement learning has to bridge."""
    prior_nll: float
    """-log p(z) of the posterior's means [nats]."""


def reconstruction_report(model: SkillModel, episodes: Sequence[Episode]) -> ReconstructionReport:
    """Look at every window of some episodes once."""
    horizon = model.config.skill_horizon
    windows = SkillWindows(episodes, horizon)
    squared, sizes, sizes_squared = (np.zeros((horizon, model.action_size)) for _ in range(3))
    sums = np.zeros(3)
    for batch in windows.all(batch_size=2048):
        observations = torch.from_numpy(batch.observations[:, :-1])
        actions = torch.from_numpy(batch.actions)
        with torch.no_grad():
            posterior = model.encode(observations, actions)
            decoded = model.decode_window(observations, posterior.mean)
            fields = {name: torch.from_numpy(values) for name, values in batch.fields.items()}
            prior = model.prior_at(observations[:, 0], fields)
            best = prior.most_likely()
            per_window = (
                divergence(posterior, standard_normal_like(posterior)).sum(-1),
                divergence(posterior, best).sum(-1),
                prior.negative_log_likelihood(posterior.mean),
            )
        squared += (decoded - actions).square().sum(0).double().numpy()
        sizes += actions.double().sum(0).numpy()
        sizes_squared += actions.double().square().sum(0).numpy()
        sums += [float(values.double().sum()) for values in per_window]
    squared, sums = squared / windows.count, sums / windows.count
    variances = (sizes_squared / windows.count).mean(axis=0) - (sizes / windows.count).mean(axis=0) ** 2
    explained = 1.0 - squared.mean(axis=0) / np.where(variances > 0.0, variances, np.inf)
    return ReconstructionReport(
        windows=windows.count,
        squared_error=float(squared.mean()),
        squared_error_per_joint=tuple(squared.mean(axis=0).tolist()),
        explained_per_joint=tuple(np.where(variances > 0.0, explained, 0.0).tolist()),
        squared_error_per_step=tuple(squared.mean(axis=1).tolist()),
        kl=float(sums[0]),
        prior_divergence=float(sums[1]),
        prior_nll=float(sums[2]),
    )
