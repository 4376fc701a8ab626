"""Chooses the next skill by the high-level policy or the skill prior, also when the policy is of no use."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from spirl_ros.control.observation_fields import Observation
from spirl_ros.errors import ConfigError, ObservationError, SkillError

POLICY, PRIOR = "policy", "prior"
NO_POLICY = (
    "source is policy, but the bundle holds skills alone. "
    "Set source to prior, or export a policy: spirl export --policy."
)
STOP = "stop"


class Gaussian(Protocol):
    """What a model says at an observation, each (Dz,)."""

    @property
    def mean(self) -> np.ndarray:
        """Before the latent limit."""
        ...

    @property
    def log_std(self) -> np.ndarray:
        """Before the latent limit."""
        ...

    @property
    def latent(self) -> np.ndarray:
        """What to execute for the mean."""
        ...


class LatentModel(Protocol):
    """A policy or a prior, such as OnnxLatentModel."""

    def distribution(self, observation: Observation, completed: int) -> Gaussian:
        """The Gaussian at an observation with so many target subtasks completed in order."""
        ...

    def sample(self, observation: Observation, generator: np.random.Generator, completed: int) -> np.ndarray:
        """A latent (Dz,) drawn there, ready to execute."""
        ...


@dataclass(frozen=True)
class SkillChoiceConfig:
    """How skills are chosen."""

    source: str = POLICY
    """Who chooses: `policy` or `prior`."""
    is_sampled: bool = False
    """Whether latents are drawn; otherwise the mean is taken."""
    fallback: str = PRIOR
    """What a failed or refused policy is replaced by: `prior`, or `stop` to choose nothing."""
    max_divergence: float = 0.0
    """A policy that is further from the prior than this [nats] is refused; 0 accepts every divergence."""

    def __post_init__(self) -> None:
        """Check the values."""
        for name, known in (("source", (POLICY, PRIOR)), ("fallback", (PRIOR, STOP))):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name} is '{getattr(self, name)}', expected {' or '.join(known)}.")
        if not 0.0 <= self.max_divergence < np.inf:
            raise ConfigError(f"max_divergence is {self.max_divergence}, expected a finite number of nats, 0 for none.")


class SkillChoice(NamedTuple):
    """A skill to execute."""

    latent: np.ndarray
    """(Dz,), finite."""
    source: str
    """Whose it is: POLICY or PRIOR."""
    divergence: float
    """KL(policy, prior) at the observation [nats]; NaN where the policy was not asked or failed."""
    fallback_reason: str = ""
    """Why the prior stands in for the policy; empty when it does not."""


class SkillChooser:
    """Asks policy and prior. Skills were learned where the prior puts them: a policy far from it decodes to anything.

    Not thread-safe.
    """

    def __init__(self, policy: LatentModel | None, prior: LatentModel, config: SkillChoiceConfig) -> None:
        """Take the models of a bundle.

        Raises:
            ConfigError: the policy is to choose, and there is none.
        """
        if config.source == POLICY and policy is None:
            raise ConfigError(NO_POLICY)
        self._policy, self._prior, self._config = policy, prior, config

    def choose(self, observation: Observation, completed: int, generator: np.random.Generator) -> SkillChoice:
        """The skill for an observation.

        Args:
            observation: raw, as measured at the moment the skill is to begin.
            completed: target subtasks completed in order.
            generator: draws latents.

        Raises:
            ObservationError: the observation is not finite.
            SkillError: the policy failed or is too far from the prior, and `fallback` is to stop; or the prior failed.
        """
        for name, values in observation.items():
            if not np.isfinite(values).all():
                bad = int(np.argmin(np.isfinite(values)))
                raise ObservationError(f"{name} is {values.flat[bad]} at {bad}, expected finite numbers only.")
        if self._policy is None or self._config.source == PRIOR:
            return SkillChoice(self._latent(self._prior, PRIOR, observation, completed, generator), PRIOR, np.nan)
        divergence = np.nan
        try:
            policy = self._policy.distribution(observation, completed)
            divergence = prior_divergence(policy, self._prior.distribution(observation, completed))
            self._check(divergence)
            latent = self._latent(self._policy, POLICY, observation, completed, generator)
            return SkillChoice(latent, POLICY, divergence)
        except Exception as error:  # ONNX Runtime's errors share no narrower base, and each is one of the policy.
            if self._config.fallback == STOP:
                raise SkillError(f"no skill was chosen: {error}") from error
            latent = self._latent(self._prior, PRIOR, observation, completed, generator)
            return SkillChoice(latent, PRIOR, divergence, str(error))

    def _check(self, divergence: float) -> None:
        if not np.isfinite(divergence):
            raise SkillError(f"the policy's divergence from the prior is {divergence}, expected a finite number.")
        limit = self._config.max_divergence
        if limit and divergence > limit:
            raise SkillError(f"the policy is {divergence:.1f} nats from the prior, expected at most {limit:g}.")

    def _latent(
        self, model: LatentModel, name: str, observation: Observation, completed: int, generator: np.random.Generator
    ) -> np.ndarray:
        if self._config.is_sampled:
            latent = model.sample(observation, generator, completed)
        else:
            latent = model.distribution(observation, completed).latent
        if not np.isfinite(latent).all():
            raise SkillError(f"the {name} gives the latent {latent}, expected finite numbers only.")
        return latent


def prior_divergence(policy: Gaussian, prior: Gaussian) -> float:
    """KL(policy, prior) [nats] of diagonal Gaussians before their latent limits, summed over the Dz dimensions.

    NaN where a mean or log_std is not finite. It is what the learner is regularised by (Pertsch et al. 2020, eq. 3).
    """
    mean, log_std = policy.mean.astype(float), policy.log_std.astype(float)
    prior_mean, prior_log_std = prior.mean.astype(float), prior.log_std.astype(float)
    if not all(np.isfinite(values).all() for values in (mean, log_std, prior_mean, prior_log_std)):
        return np.nan
    with np.errstate(over="ignore"):
        ratio = np.exp(2.0 * (log_std - prior_log_std))
        distance = np.square((mean - prior_mean) * np.exp(-prior_log_std))
    return float((prior_log_std - log_std + 0.5 * (ratio + distance - 1.0)).sum())
