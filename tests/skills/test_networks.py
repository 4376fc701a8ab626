"""Building blocks of the networks."""

import numpy as np
import pytest
import torch

from spirl_ros.errors import ConfigError
from spirl_ros.skills.networks import Standardiser, make_mlp


def test_standardised_values_have_mean_zero_and_std_one():
    values = torch.tensor([[1.0, 10.0], [3.0, 30.0]])  # mean (2, 20), standard deviation (1, 10)
    standardise = Standardiser(values.mean(0).numpy(), values.std(0, correction=0).numpy())
    torch.testing.assert_close(standardise(values), torch.tensor([[-1.0, -1.0], [1.0, 1.0]]))


def test_value_that_never_moves_does_not_blow_up_its_noise():
    standardise = Standardiser(np.zeros(1), np.zeros(1), min_std=0.01)
    assert float(standardise(torch.tensor([0.001]))) == pytest.approx(0.1, rel=1e-5)


def test_outliers_are_clipped():
    assert float(Standardiser([0.0], [1.0], limit=5.0)(torch.tensor([1e9]))) == 5.0


def test_standardiser_is_saved_with_the_model():
    assert set(Standardiser([0.0], [1.0]).state_dict()) == {"mean", "scale"}


def test_first_and_last_layer_are_not_normalised():
    names = [type(layer).__name__ for layer in make_mlp(3, 2, 8, 2, "batch")]
    assert names == ["Linear", "LeakyReLU", "Linear", "BatchNorm1d", "LeakyReLU", "Linear"]


@pytest.mark.parametrize(("layers", "normalisation"), [(0, "none"), (1, "group")])
def test_impossible_network_is_refused(layers, normalisation):
    with pytest.raises(ConfigError, match="expected"):
        make_mlp(3, 2, 8, layers, normalisation)
