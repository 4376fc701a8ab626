"""Small building blocks of the skill model and of reinforcement learning."""

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from spirl_ros.errors import ConfigError

NORMALISATIONS = ("none", "batch", "layer")


def make_mlp(
    input_size: int,
    output_size: int,
    hidden_size: int,
    hidden_layers: int,
    normalisation: str = "none",
    dropout: float = 0.0,
) -> nn.Sequential:
    """A multi-layer perceptron with leaky ReLU 0.2, as the official code builds its predictors.

    The first and the last layer are not normalised. Weights are Xavier-normal, biases 0
    (clvrai/spirl, modules/subnetworks.py and layers.py).

    Args:
        input_size: values that go in.
        output_size: values that come out, unbounded.
        hidden_size: width of every hidden layer.
        hidden_layers: number of hidden layers, at least 1.
        normalisation: of the second and later hidden layers: `none`, `batch` or `layer`.
        dropout: share of each hidden layer's values that is set to 0 in training.
    """
    if normalisation not in NORMALISATIONS:
        raise ConfigError(f"normalisation is '{normalisation}', expected one of {', '.join(NORMALISATIONS)}.")
    if hidden_layers < 1:
        raise ConfigError(f"hidden_layers is {hidden_layers}, expected at least 1.")
    layers: list[nn.Module] = [nn.Linear(input_size, hidden_size), nn.LeakyReLU(0.2)]
    for _ in range(hidden_layers - 1):
        layers.append(nn.Linear(hidden_size, hidden_size, bias=normalisation == "none"))
        if normalisation == "batch":
            layers.append(nn.BatchNorm1d(hidden_size))
        elif normalisation == "layer":
            layers.append(nn.LayerNorm(hidden_size))
        layers.append(nn.LeakyReLU(0.2))
        if dropout > 0.0:
            layers.append(nn.Dropout(dropout))
    layers.append(nn.Linear(hidden_size, output_size))
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


class Standardiser(nn.Module):
    """Shifts and scales observations to mean 0 and standard deviation 1; part of every exported graph.

    Official SPiRL feeds raw observations; a finger's range is 0.04 and an arm joint's 1, so the decoder
    misses the fingers there.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: ArrayLike, std: ArrayLike, min_std: float = 0.01, limit: float = 5.0) -> None:
        """Fix the numbers.

        Args:
            mean: mean of each value (Do,).
            std: standard deviation of each value (Do,).
            min_std: values that hardly move are divided by this, so that their noise stays small.
            limit: standardised values are clipped to [-limit, limit]: a toppled kettle must not blow up a network.
        """
        super().__init__()
        self.limit = limit
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32).clone())
        self.register_buffer("scale", 1.0 / torch.as_tensor(std, dtype=torch.float32).clamp(min=min_std))

    def forward(self, observation: Tensor) -> Tensor:
        """Standardise observations (..., Do)."""
        return ((observation - self.mean) * self.scale).clamp(-self.limit, self.limit)
