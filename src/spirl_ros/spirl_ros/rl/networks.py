"""The networks that learn: the high-level policy pi(z | s) and the twin critics Q(s, z).

The policy is a trainable copy of the skill prior that also knows the task's progress.
"""

import copy
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from spirl_ros.skills.field_features import FieldFeatures
from spirl_ros.skills.gaussian import Gaussian, to_gaussian
from spirl_ros.skills.networks import make_mlp


class HighLevelPolicy(nn.Module):
    """A Gaussian over u; what is executed is z = limit * tanh(u / limit), slope 1 at 0, or u itself without a limit.

    The official code executes 2 * tanh(u), which doubles small latents that the decoder then takes for others.
    """

    def __init__(
        self,
        network: nn.Sequential,
        progress_values: int,
        latent_limit: float | None,
        more_values: int = 0,
        eyes: FieldFeatures | None = None,
    ) -> None:
        """Use a network, whose first layer is linear.

        Args:
            network: from standardised observations (B, Do) to mean and log standard deviation (B, 2 Dz).
            progress_values: K + 1 when the policy sees the progress, 0 when not. Its weights start at 0, so that the
                policy is at first what the network was.
            latent_limit: largest value of a latent; None for no limit.
            more_values: what the policy sees besides, whose weights start at 0 too.
            eyes: from raw fields to what the network sees, where that is not the standardised state.
        """
        super().__init__()
        self.latent_limit, self.progress_values = latent_limit, progress_values
        self.first, self.rest = network[0], network[1:]
        self.from_progress: nn.Linear | None = None
        if progress_values:
            self.from_progress = nn.Linear(progress_values, network[0].out_features, bias=False)  # type: ignore[arg-type]
            nn.init.zeros_(self.from_progress.weight)
        self.eyes, self.from_more = eyes, None
        if more_values:
            self.from_more = nn.Linear(more_values, network[0].out_features, bias=False)  # type: ignore[arg-type]
            nn.init.zeros_(self.from_more.weight)

    def forward(self, observation: Tensor, progress: Tensor, more: Tensor | None = None) -> Gaussian:
        """Gaussian over u (B, Dz) at standardised observations, or features (B, F), and one-hot progress (B, K+1)."""
        hidden = self.first(observation)
        if self.from_more is not None:
            hidden = hidden + self.from_more(more)
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
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            before, norm = layers[-1], copy.deepcopy(layer).eval()
            assert layer.running_mean is not None and layer.running_var is not None
            if isinstance(before, nn.Conv2d):
                layers[-1] = nn.utils.fusion.fuse_conv_bn_eval(before.eval(), norm)
            else:
                assert isinstance(before, nn.Linear)
                layers[-1] = nn.utils.fusion.fuse_linear_bn_eval(before.eval(), norm)
        elif not isinstance(layer, nn.Dropout):
            layers.append(copy.deepcopy(layer))
    return nn.Sequential(*layers).requires_grad_(True)


def standard_normal_network(input_size: int, latent_size: int, hidden: int, layers: int) -> nn.Sequential:
    """A new network that gives about N(0, I) everywhere, for policies without a prior."""
    network = make_mlp(input_size, 2 * latent_size, hidden, layers, "layer")
    with torch.no_grad():
        network[-1].weight.mul_(0.01)  # type: ignore[operator]
    return network


def resolve_precision(precision: str) -> str:
    """`float32` or `bfloat16` for `auto`: the second where this processor multiplies in it."""
    if precision != "auto":
        return precision
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text(encoding="utf-8") if cpuinfo.is_file() else ""
    return "bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"


class TwinCritic(nn.Module):
    """Two multi-layer perceptrons with leaky ReLU 0.2 whose layers are stacked: one batched product for both."""

    def __init__(self, input_size: int, hidden: int, layers: int, layer_norm: bool, precision: str = "float32") -> None:
        """Build them.

        Args:
            input_size: values that go in: observation, progress and latent.
            hidden: width of every hidden layer.
            layers: number of hidden layers, at least 1.
            layer_norm: normalise every hidden layer, which bounds what a critic says about latents it never saw.
            precision: see `LearnerConfig.critic_precision`. First and last layer are float32 always: what goes in and
                out has more digits than bfloat16.
        """
        super().__init__()
        self.precision = torch.bfloat16 if resolve_precision(precision) == "bfloat16" else torch.float32
        self.layer_norm = layer_norm
        sizes = (input_size, *[hidden] * layers, 1)
        self.weights = nn.ParameterList(nn.Parameter(torch.empty(2, i, o)) for i, o in pairwise(sizes))
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(2, 1, o)) for o in sizes[1:])
        for weight in self.weights:
            for one in weight:
                nn.init.xavier_normal_(one)

    def forward(self, inputs: Tensor, is_frozen: bool = False) -> Tensor:
        """Values (2, B) of inputs (B, input_size); when frozen, gradients flow to the inputs alone."""
        hidden = inputs.expand(2, -1, -1)  # (2, B, input_size)
        last = len(self.weights) - 1
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if is_frozen:
                weight, bias = weight.detach(), bias.detach()
            precision = self.precision if 0 < index < last else weight.dtype
            hidden = torch.baddbmm(bias.to(precision), hidden.to(precision), weight.to(precision))
            if index < last:
                if self.layer_norm:
                    hidden = functional.layer_norm(hidden, hidden.shape[-1:])
                hidden = functional.leaky_relu(hidden, 0.2)
        return hidden.squeeze(-1)


@torch.no_grad()
def move_towards(target: nn.Module, network: nn.Module, tau: float) -> None:
    """Move a network's weights a share tau of the way to those of one of the same shape (Polyak averaging)."""
    for old, new in zip(target.parameters(), network.parameters(), strict=True):
        old.lerp_(new, tau)
