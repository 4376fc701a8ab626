"""Encoder, decoder, prior and their losses."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spirl_ros.errors import ConfigError
from spirl_ros.skills.config import SkillModelConfig, official_model
from spirl_ros.skills.gaussian import Gaussian
from spirl_ros.skills.prior import Mixture
from spirl_ros.skills.skill_model import SkillModel

SMALL = SkillModelConfig(
    skill_horizon=4, latent_size=3, encoder_hidden=16, decoder_hidden=16, prior_hidden=16, prior_layers=2
)
VARIANTS = {
    "closed_loop": SMALL,
    "open_loop": replace(SMALL, decoder="open_loop"),
    "official": replace(official_model(), skill_horizon=4, latent_size=3),
    "official_open_loop": replace(official_model("open_loop"), skill_horizon=4, latent_size=3),
    "phase": replace(SMALL, phase_input=True),
    "mixture": replace(SMALL, prior_components=4),
}


def make_model(config: SkillModelConfig = SMALL) -> SkillModel:
    torch.manual_seed(0)
    return SkillModel(config, 5, 2, np.arange(5.0), np.full(5, 2.0))


def windows(batch: int = 6):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, 4, 5, generator=generator), torch.randn(batch, 4, 2, generator=generator)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_has_finite_losses_and_gradients_everywhere(name):
    model = make_model(VARIANTS[name])
    losses, _ = model.losses(*windows())
    (losses.reconstruction + losses.kl + losses.prior).backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), parameter_name


def test_reconstruction_is_half_the_mean_squared_error():
    model = make_model()
    observations, actions = windows()
    # A decoder that gives 0 everywhere leaves half the mean square of the actions.
    for parameter in model.decoder.parameters():
        torch.nn.init.zeros_(parameter)
    losses, _ = model.losses(observations, actions)
    torch.testing.assert_close(losses.reconstruction, 0.5 * actions.square().mean())


def test_prior_learns_without_changing_the_latent_space():
    """The prior's loss must not reach encoder and decoder (Pertsch et al. 2020, section 3.2; official code, line
    134)."""
    for prior_loss in ("nll", "kl"):
        model = make_model()
        losses, _ = model.losses(*windows(), prior_loss)
        losses.prior.backward()
        assert all(parameter.grad is None for parameter in model.encoder.parameters())
        assert all(parameter.grad is None for parameter in model.decoder.parameters())
        assert all(parameter.grad is not None for parameter in model.prior.parameters())


def test_decoding_some_steps_gives_what_decoding_all_gives_there():
    model = make_model(VARIANTS["phase"]).eval()
    observations, _ = windows()
    latent = torch.zeros(6, 3)
    steps = torch.tensor([[3, 1]]).expand(6, 2)
    rows = torch.arange(6).unsqueeze(1)
    some = model._decode_steps(model.standardise(observations)[rows, steps], latent, steps)
    torch.testing.assert_close(some, model.decode_window(observations, latent)[:, [3, 1]])


def test_open_loop_decoder_and_encoder_do_not_look_at_observations():
    model = make_model(VARIANTS["open_loop"])
    observations, actions = windows()
    torch.testing.assert_close(model.encode(observations, actions), model.encode(observations + 1.0, actions))
    torch.testing.assert_close(
        model.decode_window(observations, torch.ones(6, 3)), model.decode_window(observations + 1.0, torch.ones(6, 3))
    )


def test_mixture_of_equal_components_is_one_gaussian():
    one = Gaussian(torch.zeros(1, 1, 2), torch.zeros(1, 1, 2))
    two = Gaussian(*(part.expand(1, 2, 2) for part in one))
    value = torch.tensor([[0.3, -1.0]])
    torch.testing.assert_close(
        Mixture(torch.zeros(1, 1), one).negative_log_likelihood(value),
        Mixture(torch.full((1, 2), 0.5).log(), two).negative_log_likelihood(value),
    )


def test_mixture_draws_from_its_components_by_weight():
    components = Gaussian(torch.tensor([[[-5.0], [5.0]]]), torch.full((1, 2, 1), -10.0))
    mixture = Mixture(torch.tensor([[0.1, 0.9]]).log(), components)
    assert mixture.most_likely().mean.item() == 5.0
    generator = torch.Generator().manual_seed(0)
    drawn = torch.cat([mixture.sample(generator) for _ in range(500)])
    assert 0.85 < (drawn > 0).float().mean() < 0.95


@pytest.mark.parametrize(
    "change", [{"decoder": "both"}, {"encoder": "cnn"}, {"latent_size": 0}, {"normalisation": "group"}]
)
def test_impossible_architecture_is_refused(change):
    with pytest.raises(ConfigError, match="expected"):
        replace(SMALL, **change)
