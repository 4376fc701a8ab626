from typing import NamedTuple

import numpy as np
import pytest

from spirl_ros.control.skill_choice import POLICY, PRIOR, STOP, SkillChoiceConfig, SkillChooser, prior_divergence
from spirl_ros.errors import ConfigError, ObservationError, SkillError


class Normal(NamedTuple):
    mean: np.ndarray
    log_std: np.ndarray

    @property
    def latent(self) -> np.ndarray:
        return self.mean


class Model:
    """The same Gaussian everywhere, moved by the number of completed subtasks."""

    def __init__(self, mean, log_std=(0.0, 0.0)) -> None:
        self.normal = Normal(np.array(mean, np.float32), np.array(log_std, np.float32))

    def distribution(self, observation, completed=0) -> Normal:
        return Normal(self.normal.mean + completed, self.normal.log_std)

    def sample(self, observation, generator, completed=0) -> np.ndarray:
        mean, log_std = self.distribution(observation, completed)
        return mean + np.exp(log_std) * generator.standard_normal(2)


class Broken(Model):
    """A session that lost its GPU."""

    def distribution(self, observation, completed=0) -> Normal:
        raise RuntimeError("CUDA failure 700")


OBSERVATION = {"state": np.zeros(3)}
GENERATOR = np.random.default_rng(0)


NORMAL = Model((0.0, 0.0))


def choose(policy, prior=NORMAL, completed=0, observation=OBSERVATION, **config):
    chooser = SkillChooser(policy, prior, SkillChoiceConfig(**config))
    return chooser.choose(observation, completed, GENERATOR)


def test_divergence_is_that_of_gaussians_in_closed_form() -> None:
    # Per dimension log(s2/s1) + (s1² + d²) / (2 s2²) - 1/2. First: s1 = s2 = 1, d = 2: 2. Second: s1 = e, s2 = 1, d =
    # 0: -1 + e²/2 - 1/2 = 2.1945.
    policy = Normal(np.array([2.0, 0.5]), np.array([0.0, 1.0]))
    prior = Normal(np.array([0.0, 0.5]), np.array([0.0, 0.0]))
    assert prior_divergence(policy, prior) == pytest.approx(2.0 - 1.5 + np.exp(2.0) / 2.0)
    assert prior_divergence(prior, prior) == 0.0


def test_policy_chooses_its_mean_for_the_progress_and_tells_its_divergence() -> None:
    choice = choose(Model((1.0, 0.0)), completed=2)
    # Prior and policy are both moved by 2, so they are 1 apart in one dimension: half a nat.
    assert choice.latent.tolist() == [3.0, 2.0] and choice.source == POLICY
    assert choice.divergence == pytest.approx(0.5) and choice.fallback_reason == ""


def test_prior_chooses_where_it_is_the_source_and_no_divergence_is_told() -> None:
    choice = choose(None, Model((0.5, 0.25)), source=PRIOR)
    assert choice.latent.tolist() == [0.5, 0.25] and choice.source == PRIOR and np.isnan(choice.divergence)


def test_samples_come_from_the_given_generator() -> None:
    policy = Model((1.0, 0.0), log_std=(-1.0, -1.0))
    chooser = SkillChooser(policy, Model((0.0, 0.0)), SkillChoiceConfig(is_sampled=True))
    first, again = (chooser.choose(OBSERVATION, 0, np.random.default_rng(7)).latent for _ in range(2))
    expected = np.array([1.0, 0.0]) + np.exp(-1.0) * np.random.default_rng(7).standard_normal(2)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(first, expected, atol=1e-7)


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (Model((np.nan, 0.0)), "divergence from the prior is nan"),
        (Model((0.0, 0.0), log_std=(np.nan, 0.0)), "divergence from the prior is nan"),
        (Model((0.0, 0.0), log_std=(np.inf, 0.0)), "divergence from the prior is nan"),
        (Model((0.0, 0.0), log_std=(400.0, 0.0)), "divergence from the prior is inf"),
        (Broken((0.0, 0.0)), "CUDA failure 700"),
    ],
)
def test_policy_that_fails_is_replaced_by_the_prior_or_stops(policy: Model, told: str) -> None:
    choice = choose(policy, Model((0.5, 0.25)))
    assert choice.latent.tolist() == [0.5, 0.25] and choice.source == PRIOR and told in choice.fallback_reason
    with pytest.raises(SkillError, match=told):
        choose(policy, Model((0.5, 0.25)), fallback=STOP)


def test_policy_far_from_the_prior_is_refused() -> None:
    # 3 apart in one dimension with deviation 1: 4.5 nats.
    assert choose(Model((3.0, 0.0)), max_divergence=4.6).source == POLICY
    assert choose(Model((3.0, 0.0)), max_divergence=0.0).source == POLICY
    choice = choose(Model((3.0, 0.0)), max_divergence=4.4)
    assert choice.source == PRIOR and choice.latent.tolist() == [0.0, 0.0]
    assert choice.divergence == pytest.approx(4.5)
    assert choice.fallback_reason == "the policy is 4.5 nats from the prior, expected at most 4.4."
    with pytest.raises(SkillError, match=r"4\.5 nats"):
        choose(Model((3.0, 0.0)), max_divergence=4.4, fallback=STOP)


def test_prior_that_fails_ends_it_whoever_chooses() -> None:
    for source in (PRIOR, POLICY):
        with pytest.raises(SkillError, match="prior gives the latent"):
            choose(Model((0.0, 0.0)), Model((np.nan, 0.0)), source=source)


def test_observation_that_is_not_finite_is_no_reason_for_the_fallback() -> None:
    with pytest.raises(ObservationError, match="nan at 1"):
        choose(Model((0.0, 0.0)), observation={"state": np.array([0.0, np.nan, 0.0])})


def test_bad_settings_are_told() -> None:
    with pytest.raises(ConfigError, match="holds skills alone"):
        choose(None)
    with pytest.raises(ConfigError, match="policy or prior"):
        SkillChoiceConfig(source="me")
    with pytest.raises(ConfigError, match="prior or stop"):
        SkillChoiceConfig(fallback="go")
    with pytest.raises(ConfigError, match="finite number"):
        SkillChoiceConfig(max_divergence=np.nan)
