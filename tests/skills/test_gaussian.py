"""The Gaussian formulas, against numbers worked out by hand and torch.distributions."""

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from spirl_ros.skills.gaussian import Gaussian, divergence, negative_log_likelihood, to_gaussian


def gaussian(mean, std) -> Gaussian:
    return Gaussian(torch.tensor(mean), torch.tensor(std).log())


def test_divergence_of_two_unit_gaussians_is_half_the_squared_distance():
    # KL(N(3, 1) || N(0, 1)) = 9/2 and KL(N(0, 1) || N(0, 1)) = 0.
    found = divergence(gaussian([3.0, 0.0], [1.0, 1.0]), gaussian([0.0, 0.0], [1.0, 1.0]))
    torch.testing.assert_close(found, torch.tensor([4.5, 0.0]))


def test_divergence_agrees_with_torch():
    first, second = gaussian([0.3, -1.0], [0.2, 2.0]), gaussian([0.1, 0.5], [0.7, 0.4])
    expected = kl_divergence(Normal(first.mean, first.log_std.exp()), Normal(second.mean, second.log_std.exp()))
    torch.testing.assert_close(divergence(first, second), expected)


def test_likelihood_of_the_mean_is_the_normalisation():
    # Two dimensions with standard deviation 2: 2 (ln 2 + ln sqrt(2 pi)).
    found = negative_log_likelihood(gaussian([[1.0, 2.0]], [[2.0, 2.0]]), torch.tensor([[1.0, 2.0]]))
    assert float(found) == pytest.approx(2.0 * (math.log(2.0) + 0.5 * math.log(2.0 * math.pi)), rel=1e-5)


def test_log_std_is_clamped_on_both_sides():
    _, log_std = to_gaussian(torch.tensor([[0.0, 0.0, -50.0, 50.0]]))
    assert log_std.tolist() == [[-10.0, 2.0]]
