"""The high-level policy pi(z | s): a trainable copy of the skill prior that also knows the task's progress."""

import copy

import torch
from torch import Tensor, nn

from spirl_ros.skills.gaussian import Gaussian, to_gaussian
from spirl_ros.skills.networks import make_mlp


class HighLevelPolicy(nn.Module):
    """A Gaussian over u; what is executed is z = limit * tanh(u / limit), slope 1 at 0, or u itself without a limit.

    The official code executes 2 * tanh(u), which doubles small latents that the decoder then takes for others.
    """

    def __init__(self, network: nn.Sequential, progress_values: int, latent_limit: float | None) -> None:
        """Use a network, whose first layer is linear.

        Args:
            network: from standardised observations (B, Do) to mean and log standard deviation (B, 2 Dz).
            progress_values: K + 1 when the policy sees the progress, 0 when not. Its weights start at 0, so that the
                policy is at first what the network was.
            latent_limit: largest value of a latent; None for no limit.
        """
        super().__init__()
        self.latent_limit, self.progress_values = latent_limit, progress_values
        self.first, self.rest = network[0], network[1:]
        self.from_progress: nn.Linear | None = None
        if progress_values:
            self.from_progress = nn.Linear(progress_values, network[0].out_features, bias=False)  # type: ignore[arg-type]
            nn.init.zeros_(self.from_progress.weight)

    def forward(self, observation: Tensor, progress: Tensor) -> Gaussian:
        """Gaussian over u (B, Dz) at standardised observations (B, Do) and one-hot progress (B, K+1)."""
        hidden = self.first(observation)
        if self.from_progress is not None:
            hidden = hidden + self.from_progress(progress)
        return to_gaussian(self.rest(hidden))

    def limit(self, u: Tensor) -> Tensor:
        """The latent that is executed for u."""
        return u if self.latent_limit is None else self.latent_limit * torch.tanh(u / self.latent_limit)


def folded_copy(network: nn.Sequential) -> nn.Sequential:
    """A copy with what batch norm does in evaluation mode as part of the linear layers, without dropout.

    Rollouts and updates see the same function, one without running statistics; its scale and shift train with the
    weights, as in the official code.
    """
    layers: list[nn.Module] = []
    for layer in network:
        if isinstance(layer, nn.BatchNorm1d):
            linear = layers[-1]
            assert isinstance(linear, nn.Linear) and layer.running_mean is not None and layer.running_var is not None
            layers[-1] = nn.utils.fusion.fuse_linear_bn_eval(linear.eval(), copy.deepcopy(layer).eval())
        elif not isinstance(layer, nn.Dropout):
            layers.append(copy.deepcopy(layer))
    return nn.Sequential(*layers).requires_grad_(True)


def standard_normal_network(input_size: int, latent_size: int, hidden: int, layers: int) -> nn.Sequential:
    """A new network that gives about N(0, I) everywhere, for policies without a prior."""
    network = make_mlp(input_size, 2 * latent_size, hidden, layers, "layer")
    with torch.no_grad():
        network[-1].weight.mul_(0.01)  # type: ignore[operator]
    return network


class PolicyModule(nn.Module):
    """A policy with exactly the inputs and outputs of a bundle's policy.onnx, raw observations in."""

    def __init__(self, standardise: nn.Module, policy: HighLevelPolicy) -> None:
        """Copy the weights."""
        super().__init__()
        self.standardise, self.policy = copy.deepcopy(standardise), copy.deepcopy(policy)

    def forward(self, observation: Tensor, progress: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Mean, log standard deviation and the latent that is executed for the mean, each (B, Dz)."""
        assert progress is not None or not self.policy.progress_values
        gaussian = self.policy(self.standardise(observation), progress)
        # without a limit the latent is a copy: a graph cannot name one value twice
        latent = gaussian.mean.clone() if self.policy.latent_limit is None else self.policy.limit(gaussian.mean)
        return gaussian.mean, gaussian.log_std, latent
