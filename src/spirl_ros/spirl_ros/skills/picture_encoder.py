"""Encoders of pictures: from uint8 pixels to a few features. Scaling is inside, so that it is in the ONNX graph."""

import torch
from torch import Tensor, nn

from spirl_ros.errors import ConfigError

PICTURE_ENCODERS = ("pyramid", "residual")
_SMALLEST = 4
"""Pixels of a side that convolutions halve no further."""


class PictureEncoder(nn.Module):
    """Pictures (B, height, width, channels) in uint8 to features (B, F)."""

    def __init__(self, kind: str, shape: tuple[int, ...], features: int, width: int) -> None:
        """Build the network.

        Args:
            kind: `pyramid`, 4 x 4 convolutions of stride 2 with batch normalisation as in the official code
                (clvrai/spirl, modules/subnetworks.py); or `residual`, smaller convolutions with a residual block at
                each size, after Espeholt et al. 2018 (IMPALA).
            shape: (height, width, channels) of a picture.
            features: F.
            width: channels after the first convolution; they double where the picture is halved.

        Raises:
            ConfigError: an unknown kind, or a picture of less than 8 pixels.
        """
        super().__init__()
        if kind not in PICTURE_ENCODERS:
            raise ConfigError(f"picture_encoder is '{kind}', expected one of {', '.join(PICTURE_ENCODERS)}.")
        *sides, channels = shape
        if min(sides) < 2 * _SMALLEST:
            raise ConfigError(f"a picture has {sides[0]} x {sides[1]} pixels, expected at least 8 x 8.")
        self.shape, self.features = shape, features
        self.network = (_pyramid if kind == "pyramid" else _residual)(sides, channels, features, width)

    def forward(self, pictures: Tensor) -> Tensor:
        """Features (B, F) of pictures (B, height, width, channels); black is -1 inside, white 1."""
        scaled = pictures.to(torch.float32) / 127.5 - 1.0
        return self.network(scaled.permute(0, 3, 1, 2))


class _ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions of what goes in, added to it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + self.network(hidden)


def _pyramid(sides: list[int], channels: int, features: int, width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    while min(sides) // 2 >= _SMALLEST:
        is_first = not layers
        layers.append(nn.Conv2d(channels, width, 4, 2, 1, bias=is_first))
        if not is_first:
            layers.append(nn.BatchNorm2d(width))
        layers.append(nn.LeakyReLU(0.2))
        sides, channels, width = [side // 2 for side in sides], width, 2 * width
    return nn.Sequential(*layers, nn.Conv2d(channels, features, (sides[0], sides[1])), nn.Flatten())


def _residual(sides: list[int], channels: int, features: int, width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    while min(sides) // 2 >= _SMALLEST:
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.MaxPool2d(2), _ResidualBlock(width)]
        sides, channels, width = [side // 2 for side in sides], width, 2 * width
    return nn.Sequential(*layers, nn.ReLU(), nn.Flatten(), nn.Linear(channels * sides[0] * sides[1], features))


def shifted(pictures: Tensor, pixels: int, generator: torch.Generator) -> Tensor:
    """Pictures (B, height, width, channels), each moved by up to so many pixels; its border is repeated.

    After Kostrikov et al. 2020 (DrQ): an encoder that was trained so overfits later.
    """
    batch, height, width, _ = pictures.shape
    device = pictures.device
    moved = torch.randint(-pixels, pixels + 1, (2, batch, 1), generator=generator, device=device)
    rows = (torch.arange(height, device=device) + moved[0]).clamp(0, height - 1)  # (B, height)
    columns = (torch.arange(width, device=device) + moved[1]).clamp(0, width - 1)
    return pictures[torch.arange(batch, device=device).view(-1, 1, 1), rows.unsqueeze(2), columns.unsqueeze(1)]
