"""The learner without environments: transitions come in, gradient steps are due for them, a policy comes out."""

from collections import deque
from typing import Any

import numpy as np
from torch import nn

from spirl_ros.errors import ConfigError
from spirl_ros.rl.config import RlTrainingConfig
from spirl_ros.rl.policy_weights import PolicyWeights
from spirl_ros.rl.prior_sac import PriorSac, UpdateInfo
from spirl_ros.rl.replay import Replay, to_tensors
from spirl_ros.rl.transition import SkillTransition
from spirl_ros.skills.networks import Standardiser

RECENT_EPISODES = 20


class ExperienceLearner:
    """Everything that learning changes.

    `state` and `restore` are exact to the last bit: the same transitions after a restart give the same learner as
    without it.
    """

    def __init__(
        self, config: RlTrainingConfig, learner: PriorSac, replay: Replay, demonstrations: Replay | None
    ) -> None:
        """Begin; arguments as those of RlTraining."""
        self.config, self.learner, self.replay, self.demonstrations = config, learner, replay, demonstrations
        self.generator = np.random.default_rng(config.seed)
        self.step = self.decisions = self.episodes = 0
        self.recent: deque[int] = deque(maxlen=RECENT_EPISODES)
        self.best = -1.0
        self.info: UpdateInfo | None = None

    @property
    def recent_mean(self) -> float:
        """Target subtasks completed in order, mean of the last episodes; NaN before the first."""
        return float(np.mean(self.recent)) if self.recent else float("nan")

    @property
    def is_best(self) -> bool:
        """Did no twenty episodes before complete more; they are counted together with the policies that acted in them."""
        return len(self.recent) == RECENT_EPISODES and self.recent_mean > self.best

    @property
    def finished(self) -> str:
        """Why nothing more is to be learned, or nothing."""
        config = self.config
        if self.step >= config.steps:
            return f"the budget of {config.steps} control steps is spent"
        if 0.0 < config.stop_at <= self.recent_mean and len(self.recent) == RECENT_EPISODES:
            return f"{self.recent_mean:.2f} subtasks in order on average of the last {RECENT_EPISODES} episodes"
        return ""

    @property
    def updates_due(self) -> int:
        """Gradient steps that what has come in is worth and that are not done yet."""
        config = self.config
        offline = config.offline_updates if self.demonstrations is not None else 0
        since_warm_up = self.decisions - config.warm_up_decisions
        online = int(since_warm_up * config.updates_per_decision) if since_warm_up >= 0 and len(self.replay) else 0
        return max(0, offline + online - self.learner.updates)

    def add(self, transition: SkillTransition, steps: int) -> None:
        """Take in a decision that took so many control steps."""
        self.replay.add(transition)
        self.step += steps
        self.decisions += 1

    def end_episode(self, completed_in_order: int) -> None:
        """Take in how an episode ended."""
        self.episodes += 1
        self.recent.append(completed_in_order)

    def update(self) -> None:
        """One gradient step. Raises TrainingError when a loss is not finite."""
        config, batch_size = self.config, self.learner.config.batch_size
        is_late = self.step >= self.learner.config.late_from * config.steps
        rate = self.learner.config.late_learning_rate if is_late else self.learner.config.learning_rate
        parts, from_demonstrations = [], 0
        if self.demonstrations is not None:
            from_demonstrations = round((config.demonstration_share if len(self.replay) else 1.0) * batch_size)
            parts.append(self.demonstrations.draw(from_demonstrations, self.generator))
        if from_demonstrations < batch_size:
            parts.append(self.replay.draw(batch_size - from_demonstrations, self.generator))
        self.info = self.learner.update(to_tensors(*parts), rate)

    def policy_weights(self) -> PolicyWeights:
        """The present policy, for the process that acts."""
        return policy_weights(self.learner)

    def state(self) -> dict[str, Any]:
        """Everything that decides how learning goes on, in types that `torch.load(weights_only=True)` accepts."""
        return {
            "learner": self.learner.state(),
            "replay": self.replay.state(),
            "generator": self.generator.bit_generator.state,
            "counts": [self.step, self.decisions, self.episodes],
            "recent": list(self.recent),
            "best": self.best,
            "info": None if self.info is None else list(self.info),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state of a learner with the same configuration and demonstrations."""
        self.learner.restore(state["learner"])
        self.replay.restore(state["replay"])
        self.generator.bit_generator.state = state["generator"]
        self.step, self.decisions, self.episodes = state["counts"]
        self.recent, self.best = deque(state["recent"], maxlen=RECENT_EPISODES), state["best"]
        self.info = None if state["info"] is None else UpdateInfo(*state["info"])


def policy_weights(learner: PriorSac) -> PolicyWeights:
    """A learner's policy as arrays.

    Raises:
        ConfigError: it has layers that the process that acts does not know.
    """
    policy, standardise = learner.policy, learner.standardise
    layers: list[np.ndarray] = []
    for index, layer in enumerate([policy.first, *policy.rest.children()]):
        is_activation = index % 2 == 1 and isinstance(layer, nn.LeakyReLU) and layer.negative_slope == 0.2
        if isinstance(layer, nn.Linear) and index % 2 == 0:
            layers += [layer.weight.detach().numpy().copy(), layer.bias.detach().numpy().copy()]
        elif not is_activation:
            raise ConfigError(
                f"the policy has a layer {layer}, expected linear layers with leaky ReLU. Use method spirl."
            )
    assert isinstance(policy.first, nn.Linear)
    size = policy.first.in_features
    mean, scale, clip = np.zeros(size, np.float32), np.ones(size, np.float32), np.inf
    if isinstance(standardise, Standardiser):
        mean, scale, clip = standardise.mean.numpy().copy(), standardise.scale.numpy().copy(), standardise.limit
    progress = np.zeros((0, len(layers[1])), np.float32)
    if policy.from_progress is not None:
        progress = policy.from_progress.weight.detach().numpy().T.copy()
    limit = np.inf if policy.latent_limit is None else policy.latent_limit
    return PolicyWeights(
        mean=mean,
        scale=scale,
        clip=np.array(clip, np.float32),
        latent_limit=np.array(limit, np.float32),
        from_progress=progress,
        layers=tuple(layers),
    )
