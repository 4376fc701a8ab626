"""The single-step action prior p(a | s): behavioural cloning, for comparison with skills."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from spirl_ros.demonstrations.episode import Episode
from spirl_ros.skills.gaussian import Gaussian, negative_log_likelihood, to_gaussian
from spirl_ros.skills.networks import Standardiser, make_mlp

LOG_STD_FLOOR = -3.0
"""Below this, fitting does not reward certainty: who always does the same would make the likelihood grow without
bound."""


class ActionPrior(nn.Module):
    """A Gaussian over actions at an observation, fitted by maximum likelihood.

    Its mean is the behavioural-cloning policy, its samples are the flat prior of Pertsch et al. 2020, section 4.1.
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        observation_mean: np.ndarray | None = None,
        observation_std: np.ndarray | None = None,
        hidden: int = 256,
        layers: int = 4,
    ) -> None:
        """Build the network; mean and standard deviation (Do,) are those of the training data."""
        super().__init__()
        mean = np.zeros(observation_size) if observation_mean is None else observation_mean
        std = np.ones(observation_size) if observation_std is None else observation_std
        self.standardise = Standardiser(mean, std)
        self.network = make_mlp(observation_size, 2 * action_size, hidden, layers, "layer")

    def forward(self, observation: Tensor) -> Gaussian:
        """Distribution of actions (B, Da) at raw observations (B, Do)."""
        return to_gaussian(self.network(self.standardise(observation)))

    def act(self, observation: np.ndarray, generator: np.random.Generator | None = None) -> np.ndarray:
        """An action (Da,) at an observation (Do,): the mean, or a sample when a generator is given."""
        with torch.no_grad():
            mean, log_std = self(torch.as_tensor(observation, dtype=torch.float32).unsqueeze(0))
        action = mean[0].double().numpy()
        if generator is not None:
            action = action + log_std[0].exp().numpy() * generator.standard_normal(action.shape)
        return action


class SpreadFloor(nn.Module):
    """Last layer of a policy or a prior of single actions: adds a variance of exp(2 LOG_STD_FLOOR) to each of its own.

    Where demonstrators always do the same, as with a closed gripper, the fitted standard deviation is 4e-4 and one
    gradient step of the policy is a divergence of 1e5 nats from it. No temperature holds such a policy near its prior.
    """

    def forward(self, output: Tensor) -> Tensor:
        """From mean and log standard deviation (B, 2 Da) to the same with the wider one."""
        mean, log_std = output.chunk(2, dim=-1)
        floor = torch.full_like(log_std, 2.0 * LOG_STD_FLOOR)
        return torch.cat([mean, 0.5 * torch.logaddexp(2.0 * log_std, floor)], dim=-1)


def train_action_prior(
    episodes: Sequence[Episode], steps: int = 6000, batch_size: int = 256, seed: int = 0, learning_rate: float = 1e-3
) -> ActionPrior:
    """Fit an action prior to all control steps of some episodes; the learning rate falls to 0 along a cosine."""
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    observations = np.concatenate([episode.observations[:-1] for episode in episodes]).astype(np.float32)
    actions = np.concatenate([episode.actions for episode in episodes]).astype(np.float32)
    model = ActionPrior(observations.shape[1], actions.shape[1], observations.mean(axis=0), observations.std(axis=0))
    optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=1e-4, foreach=True)
    for step in range(steps):
        rows = generator.integers(len(observations), size=batch_size)
        gaussian = model(torch.from_numpy(observations[rows]))
        bounded = Gaussian(gaussian.mean, gaussian.log_std.clamp(min=LOG_STD_FLOOR))
        loss = negative_log_likelihood(bounded, torch.from_numpy(actions[rows])).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate * 0.5 * (1.0 + math.cos(math.pi * step / steps))
        optimiser.step()
    return model.eval().requires_grad_(False)
