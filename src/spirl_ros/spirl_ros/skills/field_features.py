"""What a network sees of an observation: some fields, vectors standardised and pictures encoded, as one vector."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from spirl_ros.control.observation_fields import PICTURE, Field
from spirl_ros.skills.config import SkillModelConfig
from spirl_ros.skills.networks import Standardiser
from spirl_ros.skills.picture_encoder import PictureEncoder

Spread = tuple[np.ndarray, np.ndarray]
"""Mean and standard deviation of each value of a vector in the training data."""


class FieldFeatures(nn.Module):
    """Some fields to features (B, F), one after the other in the order of the fields."""

    def __init__(self, fields: Sequence[Field], config: SkillModelConfig, spreads: Mapping[str, Spread]) -> None:
        """Build an encoder for each picture.

        Args:
            fields: what is seen, in order.
            config: whether vectors are standardised, and what encodes pictures.
            spreads: of the vectors, by name; others are taken as they are, unless weights are loaded.
        """
        super().__init__()
        self.fields = tuple(fields)
        parts: list[nn.Module] = []
        for field in self.fields:
            if field.dtype == PICTURE:
                encoder = config.picture_encoder, field.shape, config.picture_features, config.picture_width
                parts.append(PictureEncoder(*encoder))
            elif config.standardise:
                mean, std = spreads.get(field.name, (np.zeros(field.shape), np.ones(field.shape)))
                parts.append(Standardiser(mean, std))
            else:
                parts.append(nn.Identity())
        self.parts = nn.ModuleList(parts)
        self.size = sum(config.picture_features if f.dtype == PICTURE else f.shape[0] for f in self.fields)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the fields."""
        return tuple(field.name for field in self.fields)

    def forward(self, *values: Tensor) -> Tensor:
        """Features (B, F) of raw values (B, ...) of each field, in order."""
        return torch.cat([part(value) for part, value in zip(self.parts, values, strict=True)], dim=1)
