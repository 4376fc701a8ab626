"""The learner: transitions come in, gradient steps are due for them, a policy comes out. And what it starts from."""

import copy
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from spirl_ros.control.observation_fields import STATE
from spirl_ros.demonstrations.episode import Episode
from spirl_ros.demonstrations.storage import read_dataset
from spirl_ros.errors import ConfigError
from spirl_ros.rl.config import METHODS, LearnerConfig, RlTrainingConfig
from spirl_ros.rl.demonstration_replay import demonstration_replay
from spirl_ros.rl.networks import HighLevelPolicy, folded_copy, standard_normal_network
from spirl_ros.rl.prior_sac import PriorSac, UpdateInfo
from spirl_ros.rl.replay import Replay, SkillTransition, flat, unflattened
from spirl_ros.rl.run import RlRun
from spirl_ros.rl.sight import FieldSight, Sight, StateSight
from spirl_ros.skills.action_prior import SpreadFloor, train_action_prior
from spirl_ros.skills.config import SkillModelConfig
from spirl_ros.skills.field_features import FieldFeatures
from spirl_ros.skills.skill_model import SkillModel
from spirl_ros.tasks.disturbance import observation_errors
from spirl_ros.tasks.task import RobotFacts

RECENT_EPISODES = 20
"""Episodes that `recent_mean` is of."""


class Learner:
    """Everything that learning changes, whoever acts: environments here, or an arm in another process.

    `state` and `restore` are exact to the last bit: the same transitions after a restart give the same learner as
    without it.
    """

    def __init__(
        self,
        config: RlTrainingConfig,
        sac: PriorSac,
        demonstrations: Replay | None = None,
        errors: np.ndarray | None = None,
    ) -> None:
        """Begin, with no experience.

        Args:
            config: settings.
            sac: what updates change.
            demonstrations: relabelled demonstrations to learn from as well; None for none.
            errors: the largest (Do,) that their states are seen with; None for none.
        """
        self._errors = errors
        self.config, self.sac, self.demonstrations = config, sac, demonstrations
        # No more room than the steps can fill: a decision takes at least one.
        room = config.steps + config.environments * sac.skill_horizon
        self.replay = Replay(min(config.replay_size, room), sac.sight.example, sac.latent_size)
        self.generator = np.random.default_rng(config.seed)
        self.step = self.decisions = self.episodes = 0
        self.recent: deque[int] = deque(maxlen=RECENT_EPISODES)
        self.best = -1.0
        """Target subtasks completed in order with the best policy, as whoever keeps that counts them."""
        self.info: UpdateInfo | None = None
        """The last update; None before the first."""
        self._running: dict[int, list[int]] = {}
        """Of each running episode, the numbers of its transitions in the replay."""
        self._rewarded = np.empty(0, np.int64)
        """Numbers of those of episodes with a reward."""
        self._rewarded_episodes = 0
        self._waited = 0
        """Decisions until so many episodes had a reward as updates wait for."""

    @property
    def policy(self) -> HighLevelPolicy:
        """What has been learned."""
        return self.sac.learned_policy

    @property
    def recent_mean(self) -> float:
        """Target subtasks completed in order, mean of the last 20 episodes; NaN before the first."""
        return float(np.mean(self.recent)) if self.recent else float("nan")

    @property
    def updates_due(self) -> int:
        """Gradient steps that what has come in is worth and that are not done yet."""
        config = self.config
        offline = config.offline_updates if self.demonstrations is not None else 0
        since_warm_up = self.decisions - max(config.warm_up_decisions, self._waited)
        if self._rewarded_episodes < config.wait_for_rewarded:
            since_warm_up = -1
        online = int(since_warm_up * config.updates_per_decision) if since_warm_up >= 0 and len(self.replay) else 0
        return max(0, offline + online - self.sac.updates)

    def add(self, transition: SkillTransition, environment: int = 0) -> None:
        """Take in a decision of the running episode of an environment, and what came of it."""
        if self._remembers_rewarded:
            self._running.setdefault(environment, []).append(self.replay.added)
        self.replay.add(transition)
        self.step += int(transition.steps)
        self.decisions += 1

    def end_episode(self, completed_in_order: int, environment: int = 0) -> None:
        """Take in how the episode of an environment ended."""
        self.episodes += 1
        self.recent.append(completed_in_order)
        if not self._remembers_rewarded:
            return
        numbers = self._running.pop(environment, [])
        if completed_in_order:
            self._rewarded = np.append(self._rewarded, np.array(numbers, np.int64))
            self._rewarded_episodes += 1
            if self._rewarded_episodes == self.config.wait_for_rewarded:
                self._waited = self.decisions
        self._rewarded = self._rewarded[self._rewarded >= self.replay.oldest]

    @property
    def _remembers_rewarded(self) -> bool:
        return self.config.wait_for_rewarded > 0 or self.config.rewarded_share > 0.0

    def update(self) -> None:
        """One gradient step. Raises TrainingError when a loss is not finite."""
        config, settings = self.config, self.sac.config
        is_late = self.step >= settings.late_from * config.steps
        parts, from_demonstrations = [], 0
        if self.demonstrations is not None:
            share = config.demonstration_share if len(self.replay) else 1.0
            from_demonstrations = round(share * settings.batch_size)
            parts.append(self._with_errors(self.demonstrations.draw(from_demonstrations, self.generator)))
        rewarded = self._rewarded[self._rewarded >= self.replay.oldest]
        from_rewarded = round(config.rewarded_share * settings.batch_size) if len(rewarded) else 0
        if from_rewarded:
            parts.append(self.replay.draw(from_rewarded, self.generator, rewarded))
        if (others := settings.batch_size - from_demonstrations - from_rewarded) > 0:
            parts.append(self.replay.draw(others, self.generator))
        rate = settings.late_learning_rate if is_late else settings.learning_rate
        self.info = self.sac.update(to_tensors(*parts), rate)

    def _with_errors(self, batch: SkillTransition) -> SkillTransition:
        """As sensors that err would have shown it: by the same both times, and by something each time."""
        if self._errors is None:
            return batch
        size = len(batch.reward), len(self._errors)
        amounts = self.generator.random((2, size[0], 1))
        offset, *noise = self.generator.uniform(-1.0, 1.0, (3, *size)) * self._errors
        before, after = (
            {**seen, STATE: (seen[STATE] + amounts[0] * offset + amounts[1] * own).astype(np.float32)}
            for seen, own in zip((batch.observation, batch.next_observation), noise, strict=True)
        )
        return batch._replace(observation=before, next_observation=after)

    def state(self) -> dict[str, Any]:
        """Everything that decides how learning goes on, in types that `torch.load(weights_only=True)` accepts."""
        replay = self.replay.state()
        columns = {name: torch.from_numpy(column) for name, column in replay["columns"].items()}
        return {
            "learner": self.sac.state(),
            "replay": {**replay, "columns": columns},
            "generator": self.generator.bit_generator.state,
            "counts": [self.step, self.decisions, self.episodes],
            "recent": list(self.recent),
            "best": self.best,
            "info": None if self.info is None else list(self.info),
            "rewarded": {
                "running": {str(environment): list(numbers) for environment, numbers in self._running.items()},
                "numbers": self._rewarded.tolist(),
                "counts": [self._rewarded_episodes, self._waited],
            },
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state of a learner with the same configuration and demonstrations."""
        self.sac.restore(state["learner"])
        columns = {name: column.numpy() for name, column in state["replay"]["columns"].items()}
        decision_steps = self.sac.skill_horizon if METHODS[self.config.method].uses_skills else 1
        self.replay.restore({**state["replay"], "columns": columns}, decision_steps)
        self.generator.bit_generator.state = state["generator"]
        self.step, self.decisions, self.episodes = state["counts"]
        self.recent, self.best = deque(state["recent"], maxlen=RECENT_EPISODES), state["best"]
        self.info = None if state["info"] is None else UpdateInfo(*state["info"])
        if rewarded := state.get("rewarded"):  # older runs did not remember them
            self._running = {int(environment): list(numbers) for environment, numbers in rewarded["running"].items()}
            self._rewarded = np.array(rewarded["numbers"], np.int64)
            self._rewarded_episodes, self._waited = rewarded["counts"]


def to_tensors(*batches: SkillTransition) -> SkillTransition:
    """One batch of tensors from one or more batches of arrays, in their order."""
    parts = [flat(batch) for batch in batches]
    return unflattened({name: torch.from_numpy(np.concatenate([part[name] for part in parts])) for name in parts[0]})


@dataclass(frozen=True)
class Foundation:
    """What demonstrations gave before any reinforcement."""

    sight: Sight
    """From raw observations to what each network sees."""
    prior_network: nn.Sequential | None
    """From that to mean and log standard deviation; None for methods without a prior."""
    latent_size: int
    """Dz, or Da for methods without skills."""
    skill_horizon: int
    """H of the skills, also where they are not used: it gives the discount its meaning."""


def skill_foundation(
    model: SkillModel, training: RlTrainingConfig, episodes: Sequence[Episode], waves: int = 0
) -> Foundation:
    """What a method starts from.

    Args:
        model: trained skills, in evaluation mode.
        training: the method, and the action prior's gradient steps.
        episodes: demonstrations; only methods with an action prior need them.
        waves: see `LearnerConfig.waves`.

    Raises:
        ConfigError: the skill prior is a mixture, or policy and critics are to see a picture that it does not.
    """
    method, config = METHODS[training.method], model.config
    network: nn.Sequential | None = None
    sight: Sight = StateSight(model.standardise, model.observation_size)
    if method.uses_skills:
        sight = _sight_of_skills(model, training, waves)
    if method.uses_skills and method.has_prior:
        if config.prior_components > 1:
            raise ConfigError(
                f"the skill prior mixes {config.prior_components} Gaussians, but the divergence from it has no "
                "closed form. Train skills with prior_components 1."
            )
        network = folded_copy(model.prior.network)
    elif method.has_prior:
        actions = train_action_prior(episodes, training.prior_steps, seed=training.seed)
        network, sight = folded_copy(actions.network), StateSight(actions.standardise, model.observation_size)
        if method.is_regularised:
            network.append(SpreadFloor())
    latent_size = config.latent_size if method.uses_skills else model.action_size
    return Foundation(sight, network, latent_size, config.skill_horizon)


def _sight_of_skills(model: SkillModel, training: RlTrainingConfig, waves: int) -> Sight:
    """Who sees what, as the task family says; the state alone where there is none."""
    spec = None if training.family is None else training.family.robot.observation
    if spec is None or (model.eyes is None and spec.policy == spec.critic == (STATE,)):
        return StateSight(model.standardise, model.observation_size)
    eyes = model.eyes
    if eyes is None:
        eyes = FieldFeatures((spec.state,), model.config, {})
        eyes.parts[0] = model.standardise
    return FieldSight(spec, eyes, model.standardise, spec.state.names, waves)


def bare_foundation(robot: RobotFacts) -> Foundation:
    """What a method starts from that needs no skills and is given none: raw observations, and the usual H."""
    sight = StateSight(nn.Identity(), len(robot.observation_names))
    return Foundation(sight, None, len(robot.limits.joint_names), skill_horizon=SkillModelConfig().skill_horizon)


def make_sac(config: LearnerConfig, training: RlTrainingConfig, foundation: Foundation, subtasks: int) -> PriorSac:
    """What a method updates, new. Torch's global source of randomness decides the initial weights."""
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
            foundation.sight.prior_size, foundation.latent_size, config.policy_hidden, config.policy_layers
        )
    prior = None
    if method.is_regularised:
        assert foundation.prior_network is not None
        prior = HighLevelPolicy(folded_copy(foundation.prior_network), 0, limit)
    sight = foundation.sight
    eyes = None
    if sight.eyes is not None:
        eyes = copy.deepcopy(sight.eyes).requires_grad_(config.train_picture_encoder)
    return PriorSac(
        config,
        sight,
        HighLevelPolicy(network, subtasks + 1 if config.progress_input else 0, limit, sight.more_size, eyes),
        prior,
        foundation.latent_size,
        subtasks,
        skill_horizon=foundation.skill_horizon,
        seed=training.seed,
    )


def new_learner(run: RlRun) -> Learner:
    """A run's learner before its first update."""
    config = run.config.training
    method, targets = METHODS[config.method], config.targets
    if run.config.skills is None:
        assert config.family is not None, "a run that nobody simulates was not refused"
        torch.manual_seed(config.seed)  # initial weights
        return Learner(config, make_sac(run.config.learner, config, bare_foundation(config.family.robot), len(targets)))
    model = run.skills().load_best_model()
    needs_episodes = config.demos_in_replay or (method.starts_from_prior and not method.uses_skills)
    episodes = tuple(read_dataset(Path(run.config.skills.data)).episodes) if needs_episodes else ()
    torch.manual_seed(config.seed)  # initial weights
    foundation = skill_foundation(model, config, episodes, run.config.learner.waves)
    sac = make_sac(run.config.learner, config, foundation, len(targets))
    demonstrations = None
    if config.demos_in_replay:
        assert config.family is not None, "a run that nobody can give rewards for was not refused"
        demonstrations = demonstration_replay(
            config.family,
            episodes,
            targets,
            model if method.uses_skills else None,
            sac.policy.latent_limit,
            config.demonstration_stride,
            config.seed,
            sac.sight.fields,
        )
    errors = None
    if config.robust and config.family is not None and demonstrations is not None:
        names = run.skills().config.dataset.observation_names
        errors = observation_errors(config.family.training_disturbance(), names)
    return Learner(config, sac, demonstrations, errors)
