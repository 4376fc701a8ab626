"""What prior, policy and critics see of raw observations: the state alone, or the fields that a task family names."""

import copy
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from spirl_ros.control.observation_fields import STATE, VECTOR, Field, Observation, ObservationSpec, part_of_state
from spirl_ros.errors import ConfigError
from spirl_ros.rl.networks import folded_copy
from spirl_ros.skills.field_features import FieldFeatures
from spirl_ros.skills.networks import Standardiser
from spirl_ros.skills.picture_encoder import PictureEncoder


class Seen(NamedTuple):
    """What networks see of B observations."""

    prior: Tensor
    """(B, Fp), what the policy sees as well."""
    more: Tensor | None
    """(B, M), what the policy sees besides; None for nothing."""
    critic: Tensor
    """(B, Fc)."""


class StateSight(nn.Module):
    """All networks see the standardised state."""

    names = (STATE,)
    """Fields that the policy sees."""
    more_size = 0
    """M."""
    eyes: FieldFeatures | None = None
    """What a policy's own eyes begin as."""
    fields: tuple[Field, ...] = ()
    """Fields beside the state that are needed."""

    def __init__(self, standardise: nn.Module, size: int) -> None:
        """See states of so many values (Do) through a module."""
        super().__init__()
        self.standardise, self.prior_size, self.critic_size = standardise, size, size

    @property
    def example(self) -> Observation:
        """Zeros for each field that is needed, in its type."""
        return {STATE: np.zeros(self.prior_size, np.float32)}

    @property
    def more(self) -> nn.Module:
        """What the policy's graph has before the policy."""
        return self.standardise

    def forward(self, observation: Mapping[str, Tensor]) -> Seen:
        """See raw observations."""
        seen = self.standardise(observation[STATE])
        return Seen(seen, None, seen)


class FieldSight(nn.Module):
    """Each network sees the fields of its own. The encoders of pictures are the prior's, and learn no more."""

    def __init__(
        self, spec: ObservationSpec, eyes: FieldFeatures, standardise: nn.Module, state_names: Sequence[str], waves: int
    ) -> None:
        """Take the prior's eyes.

        Args:
            spec: who sees what.
            eyes: what the prior sees with, copied.
            standardise: of the state. Vectors whose values it has too are standardised alike, others taken as they are.
            state_names: name of each value of the state (Do,).
            waves: see `LearnerConfig.waves`.

        Raises:
            ConfigError: policy or critic see a picture that the prior does not, or the policy not all that it sees.
        """
        super().__init__()
        self.eyes = _folded(eyes)
        self.names = spec.policy
        if unseen := [name for name in eyes.names if name not in spec.policy]:
            raise ConfigError(
                f"the skill prior sees {unseen[0]}, but the policy, its copy, is to see {', '.join(spec.policy)}. "
                "Train the skills again with what the task family says now."
            )
        self._needed = spec.chosen(dict.fromkeys((*spec.policy, *spec.critic)))
        more = [name for name in spec.policy if name not in eyes.names]
        vectors = [field for field in self._needed if field.name not in eyes.names]
        for field in vectors:
            if field.dtype != VECTOR:
                raise ConfigError(
                    f"policy or critic see {field.name}, but no skill prior has learned what to see in it. Let the "
                    "prior see that picture, or nobody."
                )
        parts = {field.name: _Vector(field, standardise, state_names, waves) for field in vectors}
        self._in_critic = spec.critic
        self.more = _Together([parts[name] for name in more])
        self._only_critics = nn.ModuleList(parts[field.name] for field in vectors if field.name not in more)
        self._vectors = parts  # the same modules by name
        self.prior_size, self.more_size = eyes.size, sum(parts[name].size for name in more)
        sizes = {name: part.size for name, part in parts.items()}
        for field, part in zip(eyes.fields, eyes.parts, strict=True):
            sizes[field.name] = part.features if isinstance(part, PictureEncoder) else field.shape[0]
        self.critic_size = sum(sizes[name] for name in spec.critic)

    @property
    def example(self) -> Observation:
        """Zeros for each field that is needed, in its type."""
        return {field.name: np.zeros(field.shape, field.dtype) for field in self._needed}

    @property
    def fields(self) -> tuple[Field, ...]:
        """Fields beside the state that are needed."""
        return tuple(field for field in self._needed if field.name != STATE)

    @torch.no_grad()
    def forward(self, observation: Mapping[str, Tensor]) -> Seen:
        """See raw observations."""
        eyes = dict(zip(self.eyes.names, self.eyes.parts, strict=True))
        seen = {name: part(observation[name]) for name, part in {**eyes, **self._vectors}.items()}
        more = [seen[name] for name in self.names if name not in eyes]
        return Seen(
            torch.cat([seen[name] for name in eyes], dim=1),
            torch.cat(more, dim=1) if more else None,
            torch.cat([seen[name] for name in self._in_critic], dim=1),
        )


Sight = StateSight | FieldSight


class _Vector(nn.Module):
    """A raw vector, standardised, and sines and cosines of that."""

    def __init__(self, field: Field, standardise: nn.Module, state_names: Sequence[str], waves: int) -> None:
        super().__init__()
        self.standardise: nn.Module = nn.Identity()
        columns = part_of_state(field, state_names)
        if columns is not None and isinstance(standardise, Standardiser):
            self.standardise = Standardiser(standardise.mean[columns], 1.0 / standardise.scale[columns], min_std=0.0)
        self.waves, self.size = waves, field.shape[0] * (1 + 2 * waves)

    def forward(self, values: Tensor) -> Tensor:
        plain = self.standardise(values)
        angles = [plain * 2.0 ** (wave - 1) for wave in range(self.waves)]
        return torch.cat([plain, *(part for angle in angles for part in (angle.sin(), angle.cos()))], dim=1)


class _Together(nn.Module):
    """Vectors one after the other."""

    def __init__(self, parts: Sequence[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, *values: Tensor) -> Tensor:
        return torch.cat([part(value) for part, value in zip(self.parts, values, strict=True)], dim=1)


def _folded(eyes: FieldFeatures) -> FieldFeatures:
    """A copy whose pictures are the same in training and evaluation, and which does not learn."""
    copied = copy.deepcopy(eyes)
    for part in copied.parts:
        if isinstance(part, PictureEncoder):
            part.network = folded_copy(part.network)
    return copied.eval().requires_grad_(False)
