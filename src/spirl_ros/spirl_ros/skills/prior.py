"""The skill prior p(z | s): which skills a demonstrator would choose here."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from spirl_ros.skills.config import SkillModelConfig
from spirl_ros.skills.gaussian import LOG_STD_MAX, LOG_STD_MIN, Gaussian, negative_log_likelihood
from spirl_ros.skills.networks import make_mlp


class Mixture(NamedTuple):
    """A mixture of K diagonal Gaussians; K is 1 for the paper's prior."""

    log_weights: Tensor
    """(B, K), normalised."""
    components: Gaussian
    """Mean and log_std (B, K, Dz)."""

    def negative_log_likelihood(self, latent: Tensor) -> Tensor:
        """-log p(z) in nats (B,) of latents (B, Dz)."""
        per_component = negative_log_likelihood(self.components, latent.unsqueeze(1))  # (B, K)
        return -torch.logsumexp(self.log_weights - per_component, dim=1)

    def most_likely(self) -> Gaussian:
        """The component with the largest weight, (B, Dz); the whole prior when there is one."""
        best = self.log_weights.argmax(dim=1).view(-1, 1, 1).expand(-1, 1, self.components.mean.shape[-1])
        return Gaussian(*(part.gather(1, best).squeeze(1) for part in self.components))

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Draw latents (B, Dz); no gradient flows to the weights."""
        chosen = torch.multinomial(self.log_weights.exp(), 1, generator=generator).unsqueeze(-1)
        chosen = chosen.expand(-1, 1, self.components.mean.shape[-1])
        return Gaussian(*(part.gather(1, chosen).squeeze(1) for part in self.components)).sample(generator)


class SkillPrior(nn.Module):
    """A multi-layer perceptron from a standardised observation to a Gaussian or a mixture of them."""

    def __init__(self, config: SkillModelConfig, observation_size: int) -> None:
        """Build the network."""
        super().__init__()
        self.components, self.latent_size = config.prior_components, config.latent_size
        weights = self.components if self.components > 1 else 0
        self.network = make_mlp(
            observation_size,
            2 * self.components * self.latent_size + weights,
            config.prior_hidden,
            config.prior_layers,
            config.normalisation,
            config.prior_dropout,
        )

    def forward(self, observation: Tensor) -> Mixture:
        """Prior at standardised observations (B, Do)."""
        output = self.network(observation)
        size = self.components * self.latent_size
        mean, log_std, logits = output.split((size, size, output.shape[1] - 2 * size), dim=1)
        if self.components == 1:
            logits = torch.zeros_like(output[:, :1])
        shape = (-1, self.components, self.latent_size)
        gaussian = Gaussian(mean.view(shape), log_std.view(shape).clamp(LOG_STD_MIN, LOG_STD_MAX))
        return Mixture(logits.log_softmax(dim=1), gaussian)
