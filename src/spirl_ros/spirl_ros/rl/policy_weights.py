"""A policy as plain arrays: what the learner's process gives to the one that acts, which has no torch.

Needs no torch. `rl/experience_learner.py` makes them.
"""

from typing import NamedTuple

import numpy as np

LEAKY_SLOPE, LOG_STD_MIN, LOG_STD_MAX = 0.2, -10.0, 2.0
"""Of the networks; tests compare every number that comes out with torch's."""


class PolicyWeights(NamedTuple):
    """A standardiser and a multi-layer perceptron with leaky ReLU 0.2 between its layers; float32."""

    mean: np.ndarray
    """(Do,) subtracted from observations."""
    scale: np.ndarray
    """(Do,) that the difference is multiplied with."""
    clip: np.ndarray
    """() largest standardised value."""
    latent_limit: np.ndarray
    """() executed latents are limit * tanh(u / limit); infinite for no limit."""
    from_progress: np.ndarray
    """(K+1, hidden) added to the first layer; (0, hidden) for a policy without progress."""
    layers: tuple[np.ndarray, ...]
    """Weight (out, in) and bias (out,) of each layer, one after the other."""

    def gaussian(self, observation: np.ndarray, completed_in_order: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean and log standard deviation (Dz,) of u at a raw observation (Do,)."""
        standardised = (np.asarray(observation, np.float32) - self.mean) * self.scale
        hidden = np.minimum(np.maximum(standardised, -self.clip), self.clip)
        last = len(self.layers) // 2 - 1
        for index in range(last + 1):
            weight, bias = self.layers[2 * index : 2 * index + 2]
            hidden = weight @ hidden + bias
            if index == 0 and len(self.from_progress):
                hidden = hidden + self.from_progress[completed_in_order]
            if index < last:
                hidden = np.where(hidden > 0.0, hidden, np.float32(LEAKY_SLOPE) * hidden)
        mean, log_std = np.split(hidden, 2)
        return mean, np.minimum(np.maximum(log_std, LOG_STD_MIN), LOG_STD_MAX)

    def draw(self, observation: np.ndarray, completed_in_order: int, generator: np.random.Generator) -> np.ndarray:
        """A latent (Dz,) to execute, drawn from the policy."""
        mean, log_std = self.gaussian(observation, completed_in_order)
        u = mean + np.exp(log_std) * generator.standard_normal(mean.shape).astype(np.float32)
        limit = float(self.latent_limit)
        return u if np.isinf(limit) else (limit * np.tanh(u / limit)).astype(np.float32)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All of it by name, for a message."""
        arrays = {name: getattr(self, name) for name in self._fields[:-1]}
        return arrays | {f"layer_{index}": layer for index, layer in enumerate(self.layers)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "PolicyWeights":
        """What `to_arrays` gave."""
        layers = [arrays[f"layer_{index}"] for index in range(sum(name.startswith("layer_") for name in arrays))]
        return cls(*(arrays[name] for name in cls._fields[:-1]), layers=tuple(layers))
