"""The skill decoder p(a | z, s): from a latent to H actions."""

import torch
from torch import Tensor, nn

from spirl_ros.skills.config import SkillModelConfig
from spirl_ros.skills.encoder import open_forget_gates
from spirl_ros.skills.networks import make_mlp

UNKNOWN_PHASE = -1.0
"""Stands for a phase that the caller does not know; any negative number does."""


class ClosedLoopDecoder(nn.Module):
    """One action from the present observation and the latent; called at every control step.

    With `config.phase_input` it may also be told how much of the skill has passed. The official decoder is not; but
    what an operator does next depends on where in a movement they are, and a noisy observation shows that only roughly.
    """

    def __init__(self, config: SkillModelConfig, observation_size: int, action_size: int) -> None:
        """Build the network."""
        super().__init__()
        self.has_phase = config.phase_input
        self.network = make_mlp(
            observation_size + config.latent_size + 2 * int(config.phase_input),
            action_size,
            config.decoder_hidden,
            config.decoder_layers,
            config.normalisation,
        )

    def forward(self, observation: Tensor, latent: Tensor, phase: Tensor | None = None) -> Tensor:
        """Decode standardised observations (B, Do), latents (B, Dz) and, where used, phases t/H (B, 1) to (B, Da)."""
        inputs = [observation, latent]
        if self.has_phase:
            assert phase is not None
            is_known = (phase >= 0.0).to(phase.dtype)
            inputs += [is_known, is_known * (2.0 * phase - 1.0)]
        return self.network(torch.cat(inputs, dim=-1))


class OpenLoopDecoder(nn.Module):
    """H actions from the latent alone, all at once."""

    def __init__(self, config: SkillModelConfig, action_size: int) -> None:
        """Build the network."""
        super().__init__()
        self.shape = (config.skill_horizon, action_size)
        size = config.skill_horizon * action_size
        self.network = make_mlp(
            config.latent_size, size, config.decoder_hidden, config.decoder_layers, config.normalisation
        )

    def forward(self, latent: Tensor) -> Tensor:
        """Decode latents (B, Dz) to (B, H, Da)."""
        return self.network(latent).unflatten(1, self.shape)


class RecurrentOpenLoopDecoder(nn.Module):
    """The official open-loop decoder: an LSTM that is fed its own last action and, at every step, the latent.

    It starts from a learned first input and state (clvrai/spirl, models/skill_prior_mdl.py).
    """

    def __init__(self, config: SkillModelConfig, action_size: int) -> None:
        """Build the network."""
        super().__init__()
        hidden = config.decoder_hidden
        self.horizon = config.skill_horizon
        self.embed = nn.Linear(action_size + config.latent_size, hidden)
        self.lstm = nn.LSTM(hidden, hidden, batch_first=True)
        self.head = nn.Sequential(nn.Linear(hidden, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, action_size))
        self.first_input = nn.Parameter(torch.zeros(1, action_size))
        self.first_state = nn.Parameter(torch.zeros(2, 1, 1, hidden))
        open_forget_gates(self.lstm)

    def forward(self, latent: Tensor) -> Tensor:
        """Decode latents (B, Dz) to (B, H, Da)."""
        batch = latent.shape[0]
        action = self.first_input.expand(batch, -1)
        state = tuple(part.expand(-1, batch, -1).contiguous() for part in self.first_state)
        actions = []
        for _ in range(self.horizon):
            output, state = self.lstm(self.embed(torch.cat((action, latent), dim=-1)).unsqueeze(1), state)
            action = self.head(output.squeeze(1))
            actions.append(action)
        return torch.stack(actions, dim=1)
