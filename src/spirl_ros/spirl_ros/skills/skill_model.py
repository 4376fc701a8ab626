"""Encoder, decoder and skill prior together, and the losses they learn from."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from spirl_ros.control.observation_fields import STATE, Field, part_of_state
from spirl_ros.skills.config import SkillModelConfig
from spirl_ros.skills.decoder import UNKNOWN_PHASE, ClosedLoopDecoder, OpenLoopDecoder, RecurrentOpenLoopDecoder
from spirl_ros.skills.encoder import SkillEncoder
from spirl_ros.skills.field_features import FieldFeatures, Spread
from spirl_ros.skills.gaussian import Gaussian, divergence, standard_normal_like
from spirl_ros.skills.networks import Standardiser
from spirl_ros.skills.prior import Mixture, SkillPrior

_NO_FIELDS: Mapping[str, Any] = MappingProxyType({})


class SkillLosses(NamedTuple):
    """Parts of the loss, each a scalar."""

    reconstruction: Tensor
    """Half the squared error of the actions, mean over batch, time and joints: unit-variance Gaussian, constant left
    out."""
    kl: Tensor
    """KL(q || N(0, I)) in nats, summed over latent dimensions, mean over the batch."""
    prior: Tensor
    """What the skill prior is trained on: negative log-likelihood or KL in nats, mean over the batch."""


class SkillModel(nn.Module):
    """The model of Pertsch et al. 2020, section 3.2.

    Takes raw observations everywhere: standardising is its own part. Encoder and decoder see the state. So does the
    prior, unless it is told which fields it sees instead.
    """

    def __init__(
        self,
        config: SkillModelConfig,
        observation_size: int,
        action_size: int,
        observation_mean: np.ndarray | None = None,
        observation_std: np.ndarray | None = None,
        prior_fields: Sequence[Field] = (),
        state_names: Sequence[str] = (),
        spreads: Mapping[str, Spread] = _NO_FIELDS,
    ) -> None:
        """Build the networks.

        Args:
            config: the architecture.
            observation_size: Do.
            action_size: Da.
            observation_mean: (Do,) of the training data; needed when `config.standardise`, unless weights are loaded.
            observation_std: (Do,) likewise.
            prior_fields: what the prior sees, in order; empty for the state alone.
            state_names: name of each value of the state (Do,). Vectors whose values it has too are taken from it.
            spreads: mean and standard deviation of the other vectors that the prior sees, by field.
        """
        super().__init__()
        self.config = config
        self.observation_size, self.action_size = observation_size, action_size
        mean = np.zeros(observation_size) if observation_mean is None else observation_mean
        std = np.ones(observation_size) if observation_std is None else observation_std
        self.standardise = Standardiser(mean, std) if config.standardise else nn.Identity()
        self.encoder = SkillEncoder(config, observation_size, action_size)
        self.decoder: ClosedLoopDecoder | OpenLoopDecoder | RecurrentOpenLoopDecoder
        if config.decoder == "closed_loop":
            self.decoder = ClosedLoopDecoder(config, observation_size, action_size)
        else:
            kind = OpenLoopDecoder if config.open_loop_decoder == "mlp" else RecurrentOpenLoopDecoder
            self.decoder = kind(config, action_size)
        self.eyes: FieldFeatures | None = None
        self._columns: dict[str, list[int]] = {}
        if tuple(field.name for field in prior_fields) not in ((), (STATE,)):
            for field in prior_fields:
                if (columns := part_of_state(field, state_names)) is not None:
                    self._columns[field.name] = columns
                    spreads = {**spreads, field.name: (mean[columns], std[columns])}
            self.eyes = FieldFeatures(prior_fields, config, spreads)
        self.prior = SkillPrior(config, observation_size if self.eyes is None else self.eyes.size)

    def encode(self, observations: Tensor, actions: Tensor) -> Gaussian:
        """Posterior q(z | s, a) of windows: observations (B, H, Do), actions (B, H, Da) to (B, Dz)."""
        return self.encoder(self.standardise(observations), actions)

    def prior_at(self, observation: Tensor, fields: Mapping[str, Tensor] = _NO_FIELDS) -> Mixture:
        """Skill prior p(z | s) at states (B, Do) and the values (B, ...) of the other fields that it sees, by name."""
        if self.eyes is None:
            return self.prior(self.standardise(observation))
        return self.prior(self.eyes(*self.prior_values(observation, fields).values()))

    def prior_values(self, observation: Tensor, fields: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What the prior sees (B, ...) by name, in order, of states (B, Do) and other fields."""
        if self.eyes is None:
            return {STATE: observation}
        values: dict[str, Tensor] = {}
        for name in self.eyes.names:
            columns = self._columns.get(name)
            values[name] = fields[name] if columns is None else observation[:, columns]
        return values

    def decode_window(self, observations: Tensor, latent: Tensor) -> Tensor:
        """Actions (B, H, Da) for latents (B, Dz); a closed-loop decoder sees the given observations (B, H, Do)."""
        return self._decode_steps(self.standardise(observations), latent, None)

    def losses(
        self,
        observations: Tensor,
        actions: Tensor,
        prior_loss: str = "nll",
        decoded_steps: Tensor | None = None,
        is_phase_known: Tensor | None = None,
        generator: torch.Generator | None = None,
        joint_weights: Tensor | None = None,
        seen: Tensor | None = None,
        fields: Mapping[str, Tensor] = _NO_FIELDS,
    ) -> tuple[SkillLosses, Mapping[str, Any]]:
        """Losses of equation (1) and of the prior (Pertsch et al. 2020, section 3.2) on a batch of windows.

        The prior never changes the latent space: it sees detached latents. As in the official code it is fitted to
        samples of the posterior by maximum likelihood; `kl` is KL(q || p), the form that the paper writes down.

        Args:
            observations: (B, H, Do), raw.
            actions: (B, H, Da).
            prior_loss: `nll` or `kl`.
            decoded_steps: indices (B, K) of the control steps to reconstruct, closed loop only; all when None.
            is_phase_known: which windows' decoder is told the phase (B,); all when None.
            generator: source of the posterior's noise.
            joint_weights: what each joint's error counts (Da,); all the same when None.
            seen: what decoder and prior see instead of the observations (B, H, Do), raw; the encoder looks back at
                what was.
            fields: what the prior sees beside the state at the first step (B, ...), by name.

        Returns:
            The losses and, for looking at, the posterior and the prior.
        """
        standardised = self.standardise(observations)
        posterior = self.encoder(standardised, actions)
        latent = posterior.sample(generator)
        if seen is not None:
            standardised = self.standardise(seen)
        if decoded_steps is not None:
            rows = torch.arange(len(actions), device=actions.device).unsqueeze(1)
            target = actions[rows, decoded_steps]
            decoded = self._decode_steps(standardised[rows, decoded_steps], latent, decoded_steps, is_phase_known)
        else:
            target, decoded = actions, self._decode_steps(standardised, latent, None, is_phase_known)
        if self.eyes is None:
            prior = self.prior(standardised[:, 0])
        else:
            prior = self.prior_at((observations if seen is None else seen)[:, 0], fields)
        if prior_loss == "nll":
            prior_term = prior.negative_log_likelihood(latent.detach())
        else:
            prior_term = divergence(posterior.detach(), prior.most_likely()).sum(-1)
        squared = (decoded - target).square()
        losses = SkillLosses(
            reconstruction=0.5 * (squared if joint_weights is None else squared * joint_weights).mean(),
            kl=divergence(posterior, standard_normal_like(posterior)).sum(-1).mean(),
            prior=prior_term.mean(),
        )
        return losses, {"posterior": posterior, "prior": prior}

    def _decode_steps(
        self, observations: Tensor, latent: Tensor, steps: Tensor | None, is_phase_known: Tensor | None = None
    ) -> Tensor:
        """Decode standardised observations (B, K, Do) of control steps (B, K) within the skill, by default all."""
        if not isinstance(self.decoder, ClosedLoopDecoder):
            return self.decoder(latent)
        batch, count = observations.shape[:2]
        horizon = self.config.skill_horizon
        if steps is None:
            steps = torch.arange(count, device=latent.device).expand(batch, count)
        phases = (steps / horizon).to(latent.dtype)
        if is_phase_known is not None:
            phases = torch.where(is_phase_known.unsqueeze(1), phases, UNKNOWN_PHASE)
        actions = self.decoder(
            observations.reshape(batch * count, -1),
            latent.unsqueeze(1).expand(-1, count, -1).reshape(batch * count, -1),
            phases.reshape(-1, 1),
        )
        return actions.view(batch, count, -1)
