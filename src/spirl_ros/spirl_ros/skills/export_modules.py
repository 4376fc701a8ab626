"""A trained skill model as modules with exactly the inputs and outputs of a bundle's graphs."""

from typing import cast

import torch
from torch import Tensor, nn

from spirl_ros.deployment.bundle_description import DECODER_INPUTS, DecoderDescription
from spirl_ros.skills.decoder import ClosedLoopDecoder, OpenLoopDecoder, RecurrentOpenLoopDecoder
from spirl_ros.skills.skill_model import SkillModel


class ClosedLoopDecoderModule(nn.Module):
    """(observation (B, Do), latent (B, Dz)) to action (B, Da), raw observations in."""

    def __init__(self, model: SkillModel) -> None:
        """Share the model's weights."""
        super().__init__()
        self.standardise, self.decoder = model.standardise, model.decoder

    def forward(self, observation: Tensor, latent: Tensor) -> Tensor:
        """Decode one control step."""
        return self.decoder(self.standardise(observation), latent)


class PhasedDecoderModule(nn.Module):
    """The same with a third input, the phase t/H (B, 1), or (1, 1) for all; UNKNOWN_PHASE where a caller gives none.

    The first layer is linear, so the phase's share of it is computed by itself and broadcasts; the decoder's own
    features of a phase, [is known, is known * (2 phase - 1)], come from one comparison and one ReLU that way.
    """

    def __init__(self, standardise: nn.Module, decoder: ClosedLoopDecoder) -> None:
        """Split the decoder's first layer; the weights stay as they are."""
        super().__init__()
        self.standardise, self.rest = standardise, decoder.network[1:]
        first = cast(nn.Linear, decoder.network[0])
        main, is_known, centred = first.weight.detach().T.split((first.in_features - 2, 1, 1))
        self.main = nn.Parameter(main.contiguous())  # (Do + Dz, hidden)
        self.from_phase = nn.Parameter(torch.cat((is_known - centred, 2.0 * centred)))  # (2, hidden)
        self.bias = first.bias

    def forward(self, observation: Tensor, latent: Tensor, phase: Tensor) -> Tensor:
        """Decode one control step."""
        phases = torch.cat(((phase >= 0.0).to(phase.dtype), phase.relu()), dim=1)
        bias = torch.addmm(self.bias, phases, self.from_phase)
        hidden = torch.addmm(bias, torch.cat((self.standardise(observation), latent), dim=1), self.main)
        return self.rest(hidden)


class RecurrentOpenLoopDecoderModule(nn.Module):
    """latent (B, Dz) to actions (B, H, Da): the same LSTM, written so that a step is few and small products.

    The embedding is linear and so is the LSTM's input, so the two become one; the latent's share of the gates is the
    same at every step and is computed once. Same numbers up to rounding, less than half the time on a CPU.
    """

    def __init__(self, decoder: RecurrentOpenLoopDecoder) -> None:
        """Fold the decoder's weights, which stay as they are."""
        super().__init__()
        self.horizon, self.head = decoder.horizon, decoder.head
        lstm, actions = dict(decoder.lstm.named_parameters()), decoder.first_input.shape[1]
        with torch.no_grad():
            # torch orders the gates input, forget, cell, output; here the three sigmoid ones come first.
            enter, forget, cell, leave = torch.arange(4 * decoder.lstm.hidden_size).chunk(4)
            order = torch.cat((enter, forget, leave, cell))
            from_input = (lstm["weight_ih_l0"] @ decoder.embed.weight)[order]
            from_hidden = lstm["weight_hh_l0"][order]
            bias = lstm["bias_ih_l0"] + lstm["bias_hh_l0"] + lstm["weight_ih_l0"] @ decoder.embed.bias
            first = decoder.first_input @ from_input[:, :actions].T + decoder.first_state[0, 0] @ from_hidden.T
            self.from_latent = nn.Parameter(from_input[:, actions:].T.contiguous())  # (Dz, 4 hidden)
            self.from_state = nn.Parameter(torch.cat((from_hidden, from_input[:, :actions]), dim=1).T.contiguous())
            self.bias, self.first_gates = nn.Parameter(bias[order]), nn.Parameter(first)
            self.first_cell = nn.Parameter(decoder.first_state[1, 0].clone())

    def forward(self, latent: Tensor) -> Tensor:
        """Decode whole skills."""
        constant = torch.addmm(self.bias, latent, self.from_latent)  # (B, 4 hidden)
        gates, cell = constant + self.first_gates, self.first_cell
        hidden_size = cell.shape[1]
        actions = []
        for _ in range(self.horizon):
            enter, forget, leave = gates[:, : 3 * hidden_size].sigmoid().chunk(3, dim=1)
            cell = forget * cell + enter * gates[:, 3 * hidden_size :].tanh()
            hidden = leave * cell.tanh()
            actions.append(self.head(hidden))
            gates = torch.addmm(constant, torch.cat((hidden, actions[-1]), dim=1), self.from_state)
        return torch.stack(actions, dim=1)


class SkillPriorModule(nn.Module):
    """State (B, Do) to mean, log_std and latent (B, Dz); of a mixture, its most likely Gaussian.

    A prior that sees other fields takes the raw values (B, ...) of each, in its order.
    """

    def __init__(self, model: SkillModel) -> None:
        """Share the model's weights."""
        super().__init__()
        self.standardise = model.standardise if model.eyes is None else model.eyes
        self.prior = model.prior

    def forward(self, *values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The Gaussian; its mean is what one would execute."""
        gaussian = self.prior(self.standardise(*values)).most_likely()
        return gaussian.mean, gaussian.log_std, gaussian.mean.clone()


def decoder_module(model: SkillModel) -> tuple[nn.Module, DecoderDescription]:
    """The decoder of a skill model to export, and what the bundle says about it."""
    kind = model.config.decoder
    if isinstance(model.decoder, RecurrentOpenLoopDecoder):
        return RecurrentOpenLoopDecoderModule(model.decoder), DecoderDescription(kind, DECODER_INPUTS[kind][0])
    if isinstance(model.decoder, OpenLoopDecoder):
        return model.decoder, DecoderDescription(kind, DECODER_INPUTS[kind][0])
    has_phase = model.decoder.has_phase
    module = PhasedDecoderModule(model.standardise, model.decoder) if has_phase else ClosedLoopDecoderModule(model)
    return module, DecoderDescription(kind, DECODER_INPUTS[kind][int(has_phase)])


def sample_latents(prior: nn.Module, *fields: Tensor, seed: int = 0) -> Tensor:
    """Latents (B, Dz) drawn from an exported prior at the fields (B, ...) that it sees: what a decoder will meet."""
    with torch.no_grad():
        mean, log_std, _ = prior(*fields)
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(seed))
    return mean + log_std.exp() * noise
