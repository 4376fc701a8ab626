"""Twin critics Q(s, z): two networks of the same shape, computed together."""

from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional


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
            precision: see `LearnerConfig.critic_precision`. First and last layer are float32 always: what goes in and out
                has more digits than bfloat16.
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
def move_towards(target: TwinCritic, critic: TwinCritic, tau: float) -> None:
    """Move the target's weights a share tau of the way to the critic's (Polyak averaging)."""
    for old, new in zip(target.parameters(), critic.parameters(), strict=True):
        old.lerp_(new, tau)
