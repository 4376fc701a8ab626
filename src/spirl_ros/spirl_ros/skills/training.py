"""Fits the skill model to demonstrations. A generator: logging, saving and stopping are its consumers' business."""

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from spirl_ros.control.observation_fields import PICTURE, VECTOR, Field, part_of_state
from spirl_ros.demonstrations.episode import Episode
from spirl_ros.demonstrations.skill_windows import SkillWindows, WindowBatch, split_episodes
from spirl_ros.errors import ConfigError, TrainingError
from spirl_ros.skills.config import SkillModelConfig, SkillTrainingConfig
from spirl_ros.skills.field_features import Spread
from spirl_ros.skills.picture_encoder import shifted
from spirl_ros.skills.skill_model import SkillLosses, SkillModel
from spirl_ros.tasks.disturbance import NO_DISTURBANCE, Disturbance, observation_errors

_SHARE_WITH_ERRORS, _SHARE_OLD = 0.5, 0.25
"""Of the windows in training, for each kind of errors, and for observations that are old."""


class ObservedWith:
    """What a disturbance makes of the observations of windows: errors, and that they are old."""

    def __init__(self, errors: np.ndarray, disturbance: Disturbance, device: torch.device) -> None:
        """Keep the largest errors (Do,) [rad, m, 1], and the delays that there may be."""
        self.errors = errors
        self._errors = torch.from_numpy(errors.astype(np.float32)).to(device)
        # Actions that come late leave the arm as far behind as old observations show it.
        delays = {*disturbance.observation_delays, *disturbance.action_delays} - {0}
        self._delays = torch.tensor(sorted(delays) or [0], device=device)

    def __call__(self, observations: Tensor, noise: torch.Generator) -> Tensor | None:
        """What decoder and prior see (B, H, Do): constant errors, errors anew each step, and delay.

        Errors are as large as given, or smaller. None where nothing errs.
        """
        if not self.errors.any():
            return None
        batch, horizon = observations.shape[:2]
        device = observations.device

        def drawn(*shape: int) -> Tensor:
            return torch.rand(shape, generator=noise, device=device)

        amounts = torch.where(drawn(2, batch) < _SHARE_WITH_ERRORS, drawn(2, batch), 0.0).view(2, batch, 1, 1)
        signs = [2.0 * drawn(batch, steps, len(self._errors)) - 1.0 for steps in (1, horizon)]
        chosen = self._delays[torch.randint(len(self._delays), (batch,), generator=noise, device=device)]
        delays = torch.where(drawn(batch) < _SHARE_OLD, chosen, 0)
        steps = torch.arange(horizon, device=device) - delays.unsqueeze(1)  # (B, H)
        old = observations.gather(1, steps.clamp(min=0).unsqueeze(-1).expand_as(observations))
        return old + (amounts[0] * signs[0] + amounts[1] * signs[1]) * self._errors


VALIDATION_WINDOWS = 4096
"""At most so many held-out windows are looked at, the same ones every time."""


class StepReport(NamedTuple):
    """Losses of one gradient step, or of the held-out episodes."""

    step: int
    """Gradient steps done."""
    reconstruction: float
    """Half the squared error of an action value, mean."""
    kl: float
    """KL(q || N(0, I)) in nats."""
    prior: float
    """The skill prior's loss in nats."""
    beta: float
    """Weight of the KL at this step."""
    is_validation: bool
    """Whether it is of the held-out episodes, with averaged weights."""
    is_best: bool = False
    """Whether reconstruction and KL, weighted as in training, are the lowest up to here."""


@dataclass
class SkillTraining:
    """Everything that training changes, and one method that trains.

    `state` and `restore` make a continued training give the same numbers to the last bit, given the same
    episodes, configuration, machine and threads.
    """

    model_config: SkillModelConfig
    training_config: SkillTrainingConfig

    def __init__(
        self,
        episodes: Sequence[Episode],
        model_config: SkillModelConfig,
        training_config: SkillTrainingConfig,
        disturbance: Disturbance = NO_DISTURBANCE,
        prior_fields: Sequence[Field] = (),
    ) -> None:
        """Split the episodes and initialise the model.

        Args:
            episodes: demonstrations.
            model_config: what is trained.
            training_config: and how.
            disturbance: how observations err, and how old they may be, in training.
            prior_fields: what the prior sees, in order; empty for the state alone.

        Raises:
            ConfigError: settings that contradict each other, or too few episodes for the split.
            DatasetError: no episode is as long as a skill.
        """
        if training_config.prior_loss == "kl" and model_config.prior_components > 1:
            raise ConfigError(
                f"prior_loss is 'kl' and prior_components is {model_config.prior_components}, but KL to a mixture has "
                "no closed form. Take prior_loss nll."
            )
        self.model_config, self.training_config = model_config, training_config
        self.device = _device(training_config.device)
        self.generator = np.random.default_rng(training_config.seed)
        torch.manual_seed(training_config.seed)  # initial weights and dropout
        training_episodes, held_out = split_episodes(episodes, training_config.validation_share, self.generator)
        horizon = model_config.skill_horizon
        self.windows = SkillWindows(training_episodes, horizon)
        self._validation = self._validation_batch(SkillWindows(held_out, horizon)) if held_out else None
        observations = np.concatenate([episode.observations for episode in training_episodes])
        self.joint_weights = self._joint_weights(training_episodes)
        names = episodes[0].metadata.observation_names
        self.observed_with = ObservedWith(observation_errors(disturbance, names), disturbance, self.device)
        self.model = SkillModel(
            model_config,
            observations.shape[1],
            training_episodes[0].actions.shape[1],
            observations.mean(axis=0),
            # No difference smaller than what sensors err by becomes a large one.
            np.hypot(observations.std(axis=0), self.observed_with.errors),
            prior_fields,
            names,
            _spreads(training_episodes, prior_fields, names),
        ).to(self.device)
        self._pictures = {field.name for field in prior_fields if field.dtype == PICTURE}
        self.averaged_model = copy.deepcopy(self.model).requires_grad_(False)
        self.noise = torch.Generator(self.device).manual_seed(training_config.seed)
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(),
            lr=training_config.learning_rate,
            weight_decay=training_config.weight_decay,
            foreach=True,
        )
        self.log_beta = math.log(max(training_config.beta, 1e-12))
        self.step = 0
        self.best_loss = math.inf

    def run(self) -> Iterator[StepReport]:
        """Train up to `training_config.steps`, reporting each step and each validation.

        Raises:
            TrainingError: a loss is not finite. The model is as it was before that step.
        """
        config = self.training_config
        self.model.train()
        while self.step < config.steps:
            yield self._train_step()
            if self.step % config.validation_every == 0 or self.step == config.steps:
                yield self.validate()

    def validate(self) -> StepReport:
        """Losses of the averaged model on the held-out windows; when nothing is held out, NaN and always the best."""
        beta = math.exp(self.log_beta)
        if self._validation is None:
            nan = math.nan
            return StepReport(self.step, nan, nan, nan, beta, is_validation=True, is_best=True)
        observations, actions, fields = self._validation
        self.averaged_model.eval()
        with torch.no_grad():
            noise = torch.Generator(self.device).manual_seed(0)
            losses, _ = self.averaged_model.losses(
                observations,
                actions,
                self.training_config.prior_loss,
                generator=noise,
                joint_weights=self.joint_weights,
                fields=fields,
            )
        # The prior's loss is left out: its scale changes with the latent space, so that an early model would look best.
        loss = float(losses.reconstruction + beta * losses.kl / self.model_config.latent_size)
        is_best = loss < self.best_loss
        self.best_loss = min(loss, self.best_loss)
        return self._report(losses, is_validation=True, is_best=is_best)

    def state(self) -> dict[str, Any]:
        """Everything that decides how training goes on, in types that `torch.load(weights_only=True)` accepts."""
        return {
            "model": self.model.state_dict(),
            "averaged_model": self.averaged_model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "noise": self.noise.get_state(),
            "dropout": torch.get_rng_state() if self.device.type == "cpu" else torch.cuda.get_rng_state(self.device),
            "generator": self.generator.bit_generator.state,
            "log_beta": self.log_beta,
            "step": self.step,
            "best_loss": self.best_loss,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state of a training with the same episodes and configuration."""
        self.model.load_state_dict(state["model"])
        self.averaged_model.load_state_dict(state["averaged_model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.noise.set_state(state["noise"])
        if self.device.type == "cpu":
            torch.set_rng_state(state["dropout"])
        else:
            torch.cuda.set_rng_state(state["dropout"], self.device)
        self.generator.bit_generator.state = state["generator"]
        self.log_beta, self.step, self.best_loss = state["log_beta"], state["step"], state["best_loss"]

    def _train_step(self) -> StepReport:
        config = self.training_config
        observations, actions, fields = self._to_tensors(self.windows.draw(config.batch_size, self.generator))
        losses, _ = self.model.losses(
            observations,
            actions,
            config.prior_loss,
            self._decoded_steps(len(actions)),
            self._is_phase_known(len(actions)),
            self.noise,
            self.joint_weights,
            self.observed_with(observations, self.noise),
            self._moved(fields),
        )
        total = self._total(losses)
        if not torch.isfinite(total):
            parts = ", ".join(f"{name} {float(value.detach()):.4g}" for name, value in losses._asdict().items())
            raise TrainingError(
                f"the loss of batch {self.step + 1} is {float(total.detach())}: {parts}. The last checkpoint is kept. "
                "Lower the learning rate, or look for outliers in the dataset: spirl demos info."
            )
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.gradient_norm)
        for group in self.optimiser.param_groups:
            group["lr"] = config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * self.step / config.steps))
        self.optimiser.step()
        self.step += 1
        self._average()
        if config.target_kl > 0.0:
            excess = float(losses.kl.detach()) / config.target_kl - 1.0
            self.log_beta += 1e-2 * max(-1.0, min(1.0, excess))
        return self._report(losses)

    def _total(self, losses: SkillLosses) -> Tensor:
        """One number to minimise. Scales as in the official code: KL is a mean over the latent's dimensions."""
        beta = math.exp(self.log_beta)
        return losses.reconstruction + beta * losses.kl / self.model_config.latent_size + losses.prior

    def _joint_weights(self, episodes: Sequence[Episode]) -> Tensor | None:
        """What each joint's error counts (Da,); None where all count the same."""
        choice = self.training_config.joint_weights
        if choice == "equal" or (choice == "auto" and not isinstance(episodes[0].metadata.action_scale, tuple)):
            return None
        weights = spread_weights(np.concatenate([episode.actions for episode in episodes]))
        return torch.from_numpy(weights.astype(np.float32)).to(self.device)

    def _decoded_steps(self, batch: int) -> Tensor | None:
        count, horizon = self.training_config.decoded_steps, self.model_config.skill_horizon
        if self.model_config.decoder != "closed_loop" or count in (0, horizon):
            return None
        return torch.from_numpy(self.generator.integers(horizon, size=(batch, count))).to(self.device)

    def _is_phase_known(self, batch: int) -> Tensor | None:
        share = self.training_config.unknown_phases
        if not self.model_config.phase_input or share == 0.0:
            return None
        return torch.from_numpy(self.generator.random(batch) >= share).to(self.device)

    def _average(self) -> None:
        """Move the averaged weights towards the present ones; quickly at first, so that early ones are forgotten."""
        decay = min(self.training_config.averaging, self.step / (self.step + 10.0))
        with torch.no_grad():
            for averaged, present in zip(self.averaged_model.parameters(), self.model.parameters(), strict=True):
                averaged.lerp_(present, 1.0 - decay)
            for buffer, newest in zip(self.averaged_model.buffers(), self.model.buffers(), strict=True):
                buffer.copy_(newest)

    def _report(self, losses: SkillLosses, is_validation: bool = False, is_best: bool = False) -> StepReport:
        reconstruction, kl, prior = (float(value.detach()) for value in losses)
        return StepReport(self.step, reconstruction, kl, prior, math.exp(self.log_beta), is_validation, is_best)

    def _moved(self, fields: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The fields, pictures that the prior sees moved at random."""
        pixels = self.training_config.picture_shift
        if not pixels:
            return fields
        moved = {name: shifted(fields[name], pixels, self.noise) for name in fields if name in self._pictures}
        return {**fields, **moved}

    def _validation_batch(self, windows: SkillWindows) -> tuple[Tensor, Tensor, Mapping[str, Tensor]]:
        count = min(windows.count, VALIDATION_WINDOWS)
        return self._to_tensors(windows.draw(count, np.random.default_rng(0)))

    def _to_tensors(self, batch: WindowBatch) -> tuple[Tensor, Tensor, Mapping[str, Tensor]]:
        """States that the actions were chosen on (B, H, Do), actions (B, H, Da), and first values of other fields."""
        observations = torch.from_numpy(batch.observations[:, :-1]).to(self.device)
        fields = {name: torch.from_numpy(values).to(self.device) for name, values in batch.fields.items()}
        return observations, torch.from_numpy(batch.actions).to(self.device), fields


def _spreads(episodes: Sequence[Episode], fields: Sequence[Field], state_names: Sequence[str]) -> dict[str, Spread]:
    """Mean and standard deviation of the vectors that are not part of the state."""
    found: dict[str, Spread] = {}
    for field in fields:
        if field.dtype == VECTOR and part_of_state(field, state_names) is None:
            values = np.concatenate([episode.fields[field.name] for episode in episodes]).astype(float)
            found[field.name] = values.mean(axis=0), values.std(axis=0)
    return found


def spread_weights(actions: np.ndarray) -> np.ndarray:
    """Weights (Da,) that make an error count relative to how much that joint's actions (N, Da) vary.

    A model that knows nothing but the means has the same loss with them as without, so that beta keeps its meaning.
    """
    variances = actions.var(axis=0)
    if not variances.max() > 0.0:
        return np.ones_like(variances)
    # A joint that stands still has nothing but noise to learn.
    floored = np.maximum(variances, _LEAST_SPREAD**2 * variances.max())
    return floored.mean() / floored


_LEAST_SPREAD = 0.01
"""Of the joint that varies most: what varies less is treated like this."""


def _device(name: str) -> torch.device:
    """The device of that name, proven by a trial."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device is '{name}', which does not work here: {reason}. Take cpu.") from error
    return device
