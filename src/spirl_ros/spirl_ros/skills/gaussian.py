"""Diagonal Gaussians as plain pairs of tensors: cheaper than torch.distributions, which matters at these sizes."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

LOG_STD_MIN, LOG_STD_MAX = -10.0, 2.0
"""Every log standard deviation is clamped to this range, as in the official code (variational_inference.py)."""


class Gaussian(NamedTuple):
    """Independent normal distributions over the last dimension."""

    mean: Tensor
    """(..., Dz)."""
    log_std: Tensor
    """(..., Dz)."""

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Draw (..., Dz) by reparameterisation, so that gradients flow to mean and log_std."""
        noise = torch.randn(self.mean.shape, generator=generator, device=self.mean.device, dtype=self.mean.dtype)
        return self.mean + self.log_std.exp() * noise

    def detach(self) -> "Gaussian":
        """The same distribution without gradients."""
        return Gaussian(self.mean.detach(), self.log_std.detach())


def to_gaussian(output: Tensor) -> Gaussian:
    """Read a network's output (..., 2 Dz) as mean and clamped log standard deviation."""
    mean, log_std = output.chunk(2, dim=-1)
    return Gaussian(mean, log_std.clamp(LOG_STD_MIN, LOG_STD_MAX))


def negative_log_likelihood(gaussian: Gaussian, value: Tensor) -> Tensor:
    """-log p(value) in nats, summed over the last dimension: (...)."""
    standardised = (value - gaussian.mean) * (-gaussian.log_std).exp()
    return (0.5 * standardised.square() + gaussian.log_std + 0.5 * math.log(2.0 * math.pi)).sum(-1)


def divergence(first: Gaussian, second: Gaussian) -> Tensor:
    """KL(first || second) in nats, in closed form, per dimension: (..., Dz)."""
    ratio = (2.0 * (first.log_std - second.log_std)).exp()
    distance = ((first.mean - second.mean) * (-second.log_std).exp()).square()
    return second.log_std - first.log_std + 0.5 * (ratio + distance - 1.0)


def standard_normal_like(gaussian: Gaussian) -> Gaussian:
    """N(0, I) of the same shape."""
    return Gaussian(torch.zeros_like(gaussian.mean), torch.zeros_like(gaussian.log_std))
