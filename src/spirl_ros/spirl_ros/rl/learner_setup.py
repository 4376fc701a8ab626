"""From trained skills to a learner: which policy it starts with and what it is held near, for every method."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from spirl_ros.demonstrations.episode import Episode
from spirl_ros.errors import ConfigError
from spirl_ros.rl.config import METHODS, LearnerConfig, RlTrainingConfig
from spirl_ros.rl.high_level_policy import HighLevelPolicy, folded_copy, standard_normal_network
from spirl_ros.rl.prior_sac import PriorSac
from spirl_ros.skills.action_prior import SpreadFloor, train_action_prior
from spirl_ros.skills.skill_model import SkillModel


@dataclass(frozen=True)
class Foundation:
    """What demonstrations gave before any reinforcement."""

    standardise: nn.Module
    """From raw observations to what every network sees."""
    prior_network: nn.Sequential | None
    """From those to mean and log standard deviation; None for methods without a prior."""
    observation_size: int
    latent_size: int
    """Dz, or Da for methods without skills."""
    skill_horizon: int
    """H of the skills, also where they are not used: it gives the discount its meaning."""


def skill_foundation(model: SkillModel, training: RlTrainingConfig, episodes: Sequence[Episode]) -> Foundation:
    """What a method starts from.

    Args:
        model: trained skills, in evaluation mode.
        training: the method, and the action prior's gradient steps.
        episodes: demonstrations; only methods with an action prior need them.

    Raises:
        ConfigError: the skill prior is a mixture.
    """
    method, config = METHODS[training.method], model.config
    needs_prior = method.starts_from_prior or method.is_regularised
    network: nn.Sequential | None = None
    standardise: nn.Module = model.standardise
    if method.uses_skills and needs_prior:
        if config.prior_components > 1:
            raise ConfigError(
                f"the skill prior mixes {config.prior_components} Gaussians, but the divergence from it has no closed form. "
                "Train skills with prior_components 1."
            )
        network = folded_copy(model.prior.network)
    elif needs_prior:
        actions = train_action_prior(episodes, training.prior_steps, seed=training.seed)
        network, standardise = folded_copy(actions.network), actions.standardise
        if method.is_regularised:
            network.append(SpreadFloor())
    latent_size = config.latent_size if method.uses_skills else model.action_size
    return Foundation(standardise, network, model.observation_size, latent_size, config.skill_horizon)


def make_learner(config: LearnerConfig, training: RlTrainingConfig, foundation: Foundation, subtasks: int) -> PriorSac:
    """A new learner of the method. Torch's global source of randomness decides the initial weights."""
    method = METHODS[training.method]
    limit = (config.max_latent if method.uses_skills else config.max_action) or None
    if limit is None and not method.is_regularised:
        raise ConfigError(
            f"{training.method} needs a latent limit: without one its entropy has no bound. Set max_latent."
        )
    if method.starts_from_prior:
        assert foundation.prior_network is not None
        network = folded_copy(foundation.prior_network)
    else:
        network = standard_normal_network(
            foundation.observation_size, foundation.latent_size, config.policy_hidden, config.policy_layers
        )
    prior = None
    if method.is_regularised:
        assert foundation.prior_network is not None
        prior = HighLevelPolicy(folded_copy(foundation.prior_network), 0, limit)
    return PriorSac(
        config,
        foundation.standardise,
        HighLevelPolicy(network, subtasks + 1 if config.progress_input else 0, limit),
        prior,
        foundation.observation_size,
        foundation.latent_size,
        subtasks,
        discount=config.skill_discount ** (1.0 if method.uses_skills else 1.0 / foundation.skill_horizon),
        seed=training.seed,
    )
