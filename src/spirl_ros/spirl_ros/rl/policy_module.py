"""A policy as what is exported: with exactly the inputs and outputs of a bundle's policy.onnx."""

import copy

from torch import Tensor, nn

from spirl_ros.deployment.bundle_description import PROGRESS
from spirl_ros.rl.networks import HighLevelPolicy
from spirl_ros.rl.sight import Sight


def policy_inputs(sight: Sight, policy: HighLevelPolicy) -> tuple[str, ...]:
    """Inputs of the policy's graph, in order: the fields that it sees, and the progress last."""
    return (*sight.names, PROGRESS) if policy.progress_values else sight.names


class PolicyModule(nn.Module):
    """From raw values (B, ...) of each of `policy_inputs`, in order, to what the policy says."""

    def __init__(self, sight: Sight, policy: HighLevelPolicy) -> None:
        """Copy the weights."""
        super().__init__()
        self.standardise, self.policy = copy.deepcopy(sight.more), copy.deepcopy(policy)
        self._names = sight.names

    def forward(self, *values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean, log standard deviation and the latent that is executed for the mean, each (B, Dz)."""
        *fields, progress = values if self.policy.progress_values else (*values, None)
        eyes = self.policy.eyes
        if eyes is None:
            features, more = self.standardise(*fields), None
        else:
            seen = dict(zip(self._names, fields, strict=True))
            features = eyes(*(seen.pop(name) for name in eyes.names))
            more = self.standardise(*seen.values()) if seen else None
        gaussian = self.policy(features, progress, more)
        # without a limit the latent is a copy: a graph cannot name one value twice
        latent = gaussian.mean.clone() if self.policy.latent_limit is None else self.policy.limit(gaussian.mean)
        return gaussian.mean, gaussian.log_std, latent
