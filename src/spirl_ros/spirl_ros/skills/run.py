"""The folder of one skill training: configuration, metrics, checkpoints."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from spirl_ros.control.observation_fields import Field
from spirl_ros.control.velocity_action import VelocityScale
from spirl_ros.errors import TrainingError
from spirl_ros.skills.config import SkillModelConfig, SkillTrainingConfig
from spirl_ros.skills.skill_model import SkillModel
from spirl_ros.training_folder import BEST_FILE, CONFIG_FILE, TrainingFolder

_WHAT, _COMMAND = "skill training", "spirl skills train"


@dataclass(frozen=True)
class DatasetReference:
    """Which dataset a model was trained on."""

    folder: str
    task: str
    digest: str
    episodes: int
    control_rate_hz: float
    observation_names: tuple[str, ...]
    joint_names: tuple[str, ...]
    joint_units: tuple[str, ...]
    action_scale: VelocityScale
    prior_fields: tuple[Field, ...] = ()
    """What the skill prior sees, in order; empty for the state alone."""


@dataclass(frozen=True)
class SkillRunConfig:
    """Everything that a training depends on; stands in config.yaml beside its results."""

    model: SkillModelConfig
    training: SkillTrainingConfig
    dataset: DatasetReference
    commit: str = ""
    command: str = ""


class SkillRun(TrainingFolder):
    """A skill training's folder and its configuration."""

    def __init__(self, folder: Path, config: SkillRunConfig) -> None:
        """Use `create` or `open`."""
        super().__init__(folder)
        self.config = config

    @classmethod
    def create(cls, folder: Path, config: SkillRunConfig) -> "SkillRun":
        """Begin a new folder.

        Raises:
            ConfigError: it exists already.
        """
        run = cls(folder, config)
        run.begin(dataclasses.asdict(config))
        return run

    @classmethod
    def open(cls, folder: Path) -> "SkillRun":
        """Open an existing folder.

        Raises:
            ConfigError: it is none, or its configuration cannot be read.
        """
        return cls(folder, TrainingFolder(folder).read_config(SkillRunConfig, _WHAT, _COMMAND))

    def lengthen(self, steps: int) -> None:
        """Go on to a larger number of gradient steps, also where the training is finished.

        Raises:
            ConfigError: fewer steps than the training has.
        """
        training = dataclasses.replace(self.config.training, steps=self.longer(self.config.training.steps, steps))
        self.config = dataclasses.replace(self.config, training=training)
        self.write_config(dataclasses.asdict(self.config))

    def load_best_model(self) -> SkillModel:
        """The best model so far, in evaluation mode, on the CPU.

        Raises:
            TrainingError: there is none yet, or the file cannot be read.
        """
        dataset = self.config.dataset
        weights = self.load_best("validation")
        model = SkillModel(
            self.config.model,
            len(dataset.observation_names),
            len(dataset.joint_names),
            prior_fields=dataset.prior_fields,
            state_names=dataset.observation_names,
        )
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            path = self.folder / BEST_FILE
            raise TrainingError(f"{path} does not fit {CONFIG_FILE} beside it: {error}.") from error
        return model.eval().requires_grad_(False)
