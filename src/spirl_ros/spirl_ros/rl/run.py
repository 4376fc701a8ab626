"""The folder of one reinforcement learning run: what it started from, its settings and its results."""

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path

from spirl_ros.deployment.bundle import Bundle, load_bundle
from spirl_ros.deployment.robot_facts import robot_facts
from spirl_ros.errors import ConfigError
from spirl_ros.rl.config import GOOD_EVALUATIONS, LearnerConfig, RlTrainingConfig
from spirl_ros.rl.networks import resolve_precision
from spirl_ros.skills.bundle_export import export_bundle
from spirl_ros.skills.run import SkillRun
from spirl_ros.skills.skill_bundle import dataset_observations, skill_bundle_contents
from spirl_ros.training_folder import BEST_FILE, TrainingFolder

SKILLS_FOLDER = "skills"
"""In the run's folder: the bundle whose decoder acted, exported when the run began."""
_WHAT, _COMMAND = "reinforcement learning run", "spirl rl train"


@dataclass(frozen=True)
class SkillsReference:
    """Which skills are used."""

    folder: str
    """Folder of spirl skills train."""
    weights_digest: str
    """SHA-256 of its best weights."""
    data: str
    """Folder of the demonstrations."""


@dataclass(frozen=True)
class RlRunConfig:
    """Everything that a run depends on; stands in config.yaml beside its results."""

    learner: LearnerConfig
    training: RlTrainingConfig
    skills: SkillsReference | None
    """None for methods that need none."""
    commit: str = ""
    command: str = ""


class RlRun(TrainingFolder):
    """A run's folder and its configuration."""

    def __init__(self, folder: Path, config: RlRunConfig) -> None:
        """Use `create` or `open`."""
        super().__init__(folder)
        self.config = config

    @classmethod
    def create(cls, folder: Path, config: RlRunConfig) -> "RlRun":
        """Begin a new folder and put the skills, where it has some, into it as a bundle.

        Raises:
            ConfigError: it exists already.
            BundleError: the skills cannot be exported, or the demonstrations are others than theirs.
        """
        precision = resolve_precision(config.learner.critic_precision)
        config = dataclasses.replace(config, learner=dataclasses.replace(config.learner, critic_precision=precision))
        run = cls(folder, config)
        run.begin(dataclasses.asdict(config))
        if config.skills is None:
            return run
        try:
            skills = SkillRun.open(Path(config.skills.folder))
            contents = skill_bundle_contents(skills, "skills", robot_facts(config.training.robot), {})
            export_bundle(folder / SKILLS_FOLDER, contents, dataset_observations(skills, Path(config.skills.data)))
        except BaseException:
            run.discard()
            raise
        return run

    @classmethod
    def open(cls, folder: Path) -> "RlRun":
        """Open an existing folder.

        Raises:
            ConfigError: it is none, or its configuration cannot be read.
        """
        return cls(folder, TrainingFolder(folder).read_config(RlRunConfig, _WHAT, _COMMAND))

    @property
    def is_finished(self) -> bool:
        """Whether the last evaluation came after all steps, or the last ones ended the run early."""
        training = self.config.training
        evaluations = [values for values in self.metrics() if values["part"] == "evaluation"]
        if not evaluations:
            return False
        last = evaluations[-GOOD_EVALUATIONS:]
        is_good = len(last) == GOOD_EVALUATIONS and all(0.0 < training.stop_at <= values["ordered"] for values in last)
        return is_good or last[-1]["step"] >= training.steps

    def lengthen(self, steps: int) -> None:
        """Go on to a larger number of control steps, also where the run is finished.

        Raises:
            ConfigError: fewer steps than the run has.
        """
        training = dataclasses.replace(self.config.training, steps=self.longer(self.config.training.steps, steps))
        self.config = dataclasses.replace(self.config, training=training)
        self.write_config(dataclasses.asdict(self.config))

    @property
    def skills_reference(self) -> SkillsReference:
        """The skills that this run builds on. Raises ConfigError where there are none."""
        if self.config.skills is None:
            raise ConfigError(f"{self.folder} has learned with {self.config.training.method} alone, without skills.")
        return self.config.skills

    def skills(self) -> SkillRun:
        """The skill training that this run builds on.

        Raises:
            ConfigError: there is none, or it has other weights now.
        """
        expected = self.skills_reference
        skills = SkillRun.open(Path(expected.folder))
        if weights_digest(skills) != expected.weights_digest:
            raise ConfigError(
                f"{expected.folder}/{BEST_FILE} has changed since {self.folder} began. Restore it, or start a new run."
            )
        return skills

    def skill_bundle(self) -> Bundle:
        """The skills as they act in this run."""
        return load_bundle(self.folder / SKILLS_FOLDER, provider="cpu")


def weights_digest(skills: SkillRun) -> str:
    """SHA-256 of a skill training's best weights; TrainingError when there are none."""
    skills.load_best("validation")
    return hashlib.sha256((skills.folder / BEST_FILE).read_bytes()).hexdigest()
