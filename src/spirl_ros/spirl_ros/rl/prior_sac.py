"""Prior-regularised soft actor-critic: Pertsch et al. 2020, Algorithm 1.

Losses are functions; `PriorSac` keeps what they change. In plain SAC the same losses weigh log pi instead of the
divergence from a prior.
"""

import copy
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from spirl_ros.errors import TrainingError
from spirl_ros.rl.config import LearnerConfig
from spirl_ros.rl.networks import HighLevelPolicy, TwinCritic, move_towards
from spirl_ros.rl.replay import SkillTransition
from spirl_ros.rl.sight import Seen, Sight
from spirl_ros.skills.gaussian import Gaussian, divergence, negative_log_likelihood


class UpdateInfo(NamedTuple):
    """What one update saw."""

    cost: float
    """Mean divergence from the prior in nats, or mean log pi(z|s) in plain SAC."""
    temperature: float
    """Alpha before the update."""
    value: float
    """Mean of the critics on the batch."""
    critic_loss: float
    policy_loss: float


def divergence_from_prior(
    policy: Gaussian, prior: Gaussian, samples: int, noise: torch.Generator | None = None
) -> Tensor:
    """KL(policy || prior) in nats (B,), between the Gaussians before any limit on the latent.

    Args:
        policy: pi(u|s), (B, Dz).
        prior: p(u|s), the same shape.
        samples: 0 for the closed form, otherwise a mean over so many samples of the policy.
        noise: source of those samples.
    """
    if samples == 0:
        return divergence(policy, prior).sum(-1)
    many = Gaussian(*(part.expand(samples, *part.shape) for part in policy))
    drawn = many.sample(noise)  # (S, B, Dz)
    return (negative_log_likelihood(prior, drawn) - negative_log_likelihood(policy, drawn)).mean(0)


def log_likelihood(policy: Gaussian, u: Tensor, latent_limit: float | None) -> Tensor:
    """Log pi(z|s) (B,) of the latent z = limit * tanh(u / limit) that is executed for a sample u (B, Dz)."""
    found = -negative_log_likelihood(policy, u)
    if latent_limit is None:
        return found
    # log(1 - tanh(x)^2), in the form that does not lose digits for large x
    x = u / latent_limit
    return found - (2.0 * (math.log(2.0) - x - functional.softplus(-2.0 * x))).sum(-1)


def policy_loss(values: Tensor, cost: Tensor, alpha: Tensor) -> tuple[Tensor, dict[str, Any]]:
    """-(min Q - alpha * cost), mean over the batch (equation 7).

    Args:
        values: both critics' at the policy's own latents (2, B).
        cost: divergence from the prior, or log pi(z|s) (B,).
        alpha: temperature; no gradient flows into it.
    """
    return (alpha.detach() * cost - values.amin(0)).mean(), {"cost": cost.detach().mean()}


def critic_target(
    batch: SkillTransition,
    next_values: Tensor,
    next_cost: Tensor,
    alpha: Tensor,
    skill_discount: float,
    skill_horizon: int,
    remaining: Tensor | None = None,
) -> Tensor:
    """R + discount * (min Q' - alpha * cost') (B,), without the second part where the task ended (equation 6).

    Time running out is no end of the task: what follows still counts, discounted by the control steps that were carried
    out.

    Args:
        batch: transitions.
        next_values: both target critics' at the policy's latents for the next observations (2, B).
        next_cost: divergence or log pi(z|s) there (B,).
        alpha: temperature.
        skill_discount: over the H control steps of one skill.
        skill_horizon: H.
        remaining: the most reward that can follow (B,). Next values are kept between 0, which following the prior gives
            at least because it costs nothing, and this. None for no bounds.
    """
    value = next_values.amin(0) - alpha * next_cost
    if remaining is not None:
        value = value.clamp(min=0.0).minimum(remaining)
    discount = (skill_discount ** (batch.steps.double() / skill_horizon)).float()
    return batch.reward + discount * (~batch.terminated) * value


def critic_loss(values: Tensor, target: Tensor) -> tuple[Tensor, dict[str, Any]]:
    """Half the squared error, mean over the batch, sum of both critics; values (2, B), target (B,)."""
    loss = 0.5 * (values - target.detach()).square().mean(1).sum()
    return loss, {"value": values.detach().mean(), "critic_loss": loss.detach()}


def temperature_loss(log_alpha: Tensor, cost: Tensor, target: float) -> tuple[Tensor, dict[str, Any]]:
    """Alpha * (target - cost), as in equation 8 of Pertsch et al. 2020: alpha grows while the cost is above its target.

    Args:
        log_alpha: scalar that learns.
        cost: what alpha weighs (B,): divergence from the prior, or minus the entropy; no gradient flows into it.
        target: target divergence delta, or minus the target entropy.

    Returns:
        The loss and {"temperature"}.
    """
    alpha = log_alpha.exp()
    return alpha * (target - cost.detach().mean()), {"temperature": alpha.detach()}


class PriorSac:
    """Policy, critics, temperature and their optimiser. `state` and `restore` are exact to the last bit."""

    def __init__(
        self,
        config: LearnerConfig,
        sight: Sight,
        policy: HighLevelPolicy,
        prior: HighLevelPolicy | None,
        latent_size: int,
        subtasks: int,
        skill_horizon: int,
        seed: int,
    ) -> None:
        """Build the critics.

        Args:
            config: settings.
            sight: from raw observations to what each network sees.
            policy: learns.
            prior: what the policy is held near; None for plain SAC.
            latent_size: Dz.
            subtasks: K, target subtasks of the task, each worth a reward of 1.
            skill_horizon: H, the control steps that config.skill_discount is for, also where a decision is a single
                action.
            seed: of the noise.
        """
        self.config, self.sight, self.policy = config, sight, policy
        self.prior = None if prior is None else prior.requires_grad_(False)
        self.latent_size, self.subtasks, self.skill_horizon = latent_size, subtasks, skill_horizon
        self.cost_target = config.target_divergence if prior is not None else float(latent_size)
        size = sight.critic_size + subtasks + 1 + latent_size
        self.critic = TwinCritic(
            size, config.critic_hidden, config.critic_layers, config.critic_layer_norm, config.critic_precision
        )
        self.target_critic = copy.deepcopy(self.critic).requires_grad_(False)
        self.log_alpha = torch.tensor(math.log(config.initial_temperature), requires_grad=True)
        self.noise = torch.Generator().manual_seed(seed)
        groups = [
            {"params": [p for p in policy.parameters() if p.requires_grad], "lr": config.learning_rate},
            {"params": list(self.critic.parameters()), "lr": config.learning_rate},
            {"params": [self.log_alpha], "lr": config.temperature_learning_rate},
        ]
        self.optimiser = torch.optim.Adam(groups, fused=True)
        self.averaged = copy.deepcopy(policy).requires_grad_(False) if config.averaging else None
        """Average of the policy's weights over the last updates; None where the newest count."""
        self.updates = 0

    @property
    def learned_policy(self) -> HighLevelPolicy:
        """What is evaluated and kept; the policy itself explores."""
        return self.policy if self.averaged is None else self.averaged

    def choose(self, observations: Mapping[str, Tensor], progress: Tensor) -> Gaussian:
        """The policy's Gaussian (B, Dz) at raw observations and progress (B,)."""
        return self._choose(self.policy, observations, progress)

    def choose_best(self, observations: Mapping[str, Tensor], progress: Tensor) -> Tensor:
        """The latents (B, Dz) of the learned policy's mean at raw observations and progress (B,)."""
        return self.policy.limit(self._choose(self.learned_policy, observations, progress).mean)

    def _choose(self, policy: HighLevelPolicy, observations: Mapping[str, Tensor], progress: Tensor) -> Gaussian:
        with torch.no_grad():
            features, more, _ = self._see(policy, observations)
            return policy(features, self._one_hot(progress), more)

    def update(self, batch: SkillTransition, policy_learning_rate: float) -> UpdateInfo:
        """One gradient step on everything.

        Raises:
            TrainingError: a loss is not finite. Nothing was changed but the source of noise.
        """
        count = len(batch.reward)
        both = {name: torch.cat((values, batch.next_observation[name])) for name, values in batch.observation.items()}
        features, more, seen = self._see(self.policy, both)
        progress = self._one_hot(torch.cat((batch.progress, batch.next_progress)))
        now, later = features.split(count)
        more_now, more_later = (None, None) if more is None else more.split(count)
        critic_now, critic_later = seen.critic.split(count)
        progress_now, progress_later = progress.split(count)
        prior_now, prior_later = self._prior(seen.prior, progress, count)
        alpha = self.log_alpha.detach().exp()

        latent, cost = self._act(now, progress_now, more_now, prior_now)
        with torch.no_grad():
            next_latent, next_cost = self._act(later, progress_later, more_later, prior_later)
            next_values = self.target_critic(torch.cat((critic_later, progress_later, next_latent), dim=1))
            remaining = (self.subtasks - batch.next_progress).float() if self.config.clamp_targets else None
            next_cost = next_cost.clamp(max=self.config.max_divergence)
            discounting = self.config.skill_discount, self.skill_horizon
            target = critic_target(batch, next_values, next_cost, alpha, *discounting, remaining)
        values = self.critic(torch.cat((critic_now, progress_now, latent), dim=1), is_frozen=True)
        loss_of_policy, policy_info = policy_loss(values, cost, alpha)
        values = self.critic(torch.cat((critic_now, progress_now, batch.latent), dim=1))
        loss_of_critic, critic_info = critic_loss(values, target)
        loss_of_alpha, alpha_info = temperature_loss(self.log_alpha, cost, self.cost_target)
        # Each part reaches only its own parameters, so one backward pass serves all three.
        total = loss_of_policy + loss_of_critic + loss_of_alpha
        info = UpdateInfo(
            cost=float(policy_info["cost"]),
            temperature=float(alpha_info["temperature"]),
            value=float(critic_info["value"]),
            critic_loss=float(critic_info["critic_loss"]),
            policy_loss=float(loss_of_policy.detach()),
        )
        if not torch.isfinite(total):
            parts = ", ".join(f"{name} {value:.4g}" for name, value in info._asdict().items())
            raise TrainingError(
                f"the loss of update {self.updates + 1} is {float(total.detach())}: {parts}. The last checkpoint "
                "is kept. Continue from it with --resume, or start again with a lower learning_rate."
            )
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        self.optimiser.param_groups[0]["lr"] = policy_learning_rate
        self.optimiser.step()
        move_towards(self.target_critic, self.critic, self.config.tau)
        if self.averaged is not None:  # quickly at first, so that early ones are forgotten
            kept = min(self.config.averaging, self.updates / (self.updates + 10.0))
            move_towards(self.averaged, self.policy, 1.0 - kept)
        self.updates += 1
        return info

    def state(self) -> dict[str, Any]:
        """A copy of everything that decides how learning goes on."""
        state = {
            "policy": self.policy.state_dict(),
            "critic": self.critic.state_dict(),
            "target_critic": self.target_critic.state_dict(),
            "log_alpha": self.log_alpha.detach(),
            "optimiser": self.optimiser.state_dict(),
            "noise": self.noise.get_state(),
            "updates": self.updates,
        }
        if self.averaged is not None:
            state["averaged"] = self.averaged.state_dict()
        return copy.deepcopy(state)  # the parts are views of what goes on learning

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state of a learner of the same sizes."""
        self.policy.load_state_dict(state["policy"])
        if self.averaged is not None:
            self.averaged.load_state_dict(state["averaged"])
        self.critic.load_state_dict(state["critic"])
        self.target_critic.load_state_dict(state["target_critic"])
        with torch.no_grad():
            self.log_alpha.copy_(state["log_alpha"])
        self.optimiser.load_state_dict(copy.deepcopy(state["optimiser"]))
        self.noise.set_state(state["noise"])
        self.updates = state["updates"]

    def _see(self, policy: HighLevelPolicy, observations: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None, Seen]:
        """What a policy's network sees (B, F), what it sees besides, and what others see, at raw observations."""
        seen, eyes = self.sight(observations), policy.eyes
        if eyes is None or not self.config.train_picture_encoder:
            return seen.prior, seen.more, seen
        return eyes(*(observations[name] for name in eyes.names)), seen.more, seen

    def _act(
        self, features: Tensor, progress: Tensor, more: Tensor | None, prior: Gaussian | None
    ) -> tuple[Tensor, Tensor]:
        """Latents drawn from the policy (B, Dz), and what alpha weighs there (B,)."""
        gaussian = self.policy(features, progress, more)
        u = gaussian.sample(self.noise)
        if prior is None:
            cost = log_likelihood(gaussian, u, self.policy.latent_limit)
        else:
            cost = divergence_from_prior(gaussian, prior, self.config.divergence_samples, self.noise)
        return self.policy.limit(u), cost

    def _prior(self, observations: Tensor, progress: Tensor, count: int) -> tuple[Gaussian | None, Gaussian | None]:
        """The prior at the observations before and after, from one pass."""
        if self.prior is None:
            return None, None
        with torch.no_grad():
            both = self.prior(observations, progress)
        now, later = zip(*(part.split(count) for part in both), strict=True)
        return Gaussian(*now), Gaussian(*later)

    def _one_hot(self, progress: Tensor) -> Tensor:
        return functional.one_hot(progress, self.subtasks + 1).float()
