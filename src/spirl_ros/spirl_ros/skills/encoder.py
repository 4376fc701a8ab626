"""The skill encoder q(z | s, a): from a window of behaviour to a distribution over latents."""

import torch
from torch import Tensor, nn

from spirl_ros.skills.config import SkillModelConfig
from spirl_ros.skills.gaussian import Gaussian, to_gaussian
from spirl_ros.skills.networks import make_mlp


class SkillEncoder(nn.Module):
    """Reads H actions and, for a closed-loop model, the observations they were chosen on."""

    def __init__(self, config: SkillModelConfig, observation_size: int, action_size: int) -> None:
        """Build the network of `config.encoder`."""
        super().__init__()
        self._sees_observations = config.decoder == "closed_loop"
        step_size = action_size + (observation_size if self._sees_observations else 0)
        hidden, outputs = config.encoder_hidden, 2 * config.latent_size
        if config.encoder == "mlp":
            self.network: nn.Module = nn.Sequential(
                nn.Flatten(),
                make_mlp(step_size * config.skill_horizon, outputs, hidden, config.encoder_layers, "layer"),
            )
        else:
            self.network = _RecurrentEncoder(step_size, hidden, outputs)

    def forward(self, observations: Tensor, actions: Tensor) -> Gaussian:
        """Encode standardised observations (B, H, Do) and actions (B, H, Da)."""
        steps = torch.cat((actions, observations), dim=-1) if self._sees_observations else actions
        return to_gaussian(self.network(steps))


class _RecurrentEncoder(nn.Module):
    """Linear, LSTM, two linear layers on its last output; forget gates start open (recurrent_modules.py)."""

    def __init__(self, step_size: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.embed = nn.Linear(step_size, hidden)
        self.lstm = nn.LSTM(hidden, hidden, batch_first=True)
        self.head = nn.Sequential(nn.Linear(hidden, hidden), nn.Linear(hidden, outputs))
        open_forget_gates(self.lstm)

    def forward(self, steps: Tensor) -> Tensor:
        _, (last, _) = self.lstm(self.embed(steps))
        return self.head(last[0])


def open_forget_gates(lstm: nn.LSTM) -> None:
    """Set both biases of the forget gates to 1, as the official code does."""
    for name, parameter in lstm.named_parameters():
        if "bias" in name:
            with torch.no_grad():
                parameter[lstm.hidden_size : 2 * lstm.hidden_size].fill_(1.0)
