"""One training from a dataset to a run folder: what consumes the training's reports."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from spirl_ros.control.observation_fields import STATE, Field, part_of_state
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.skill_windows import split_episodes
from spirl_ros.errors import ConfigError, DatasetError
from spirl_ros.skills.config import SkillModelConfig, SkillTrainingConfig
from spirl_ros.skills.presets import PRESETS
from spirl_ros.skills.reconstruction import reconstruction_report
from spirl_ros.skills.run import DatasetReference, SkillRun
from spirl_ros.skills.training import SkillTraining, StepReport
from spirl_ros.tasks.disturbance import NO_DISTURBANCE, Disturbance
from spirl_ros.tasks.families import family_names, find_family
from spirl_ros.training_log import TrainingLog

_METRICS_EVERY = 50
"""Gradient steps between two lines of the metrics."""


def train(run: SkillRun, dataset: Dataset, on_report: Callable[[StepReport], None] = lambda report: None) -> float:
    """Train until the configured number of steps, going on from the last checkpoint where there is one.

    A checkpoint is written after each validation, and on KeyboardInterrupt, which is passed on.

    Args:
        run: where results go.
        dataset: the same as the run was created with.
        on_report: called after each gradient step and validation.

    Returns:
        The lowest validation loss.
    """
    torch.set_num_threads(run.config.training.threads)
    training = SkillTraining(
        dataset.episodes,
        run.config.model,
        run.config.training,
        disturbance_of(run.config.training, dataset),
        run.config.dataset.prior_fields,
    )
    run.restore_checkpoint(training.restore)
    with TrainingLog(run, training.step) as log:
        try:
            for report in training.run():
                if report.is_validation or report.step % _METRICS_EVERY == 0:
                    _record(log, report)
                if report.is_best:
                    run.save_best(training.averaged_model.state_dict())
                if report.is_validation:
                    run.save_checkpoint(training.state())
                on_report(report)
        except KeyboardInterrupt:
            run.save_checkpoint(training.state())
            raise
    return training.best_loss


def disturbance_of(training: SkillTrainingConfig, dataset: Dataset) -> Disturbance:
    """What observations err by in training; nothing where nobody knows the dataset's task."""
    name = dataset.task.partition(":")[0]
    return find_family(name).training_disturbance() if training.robust and name in family_names() else NO_DISTURBANCE


def default_preset(dataset: Dataset) -> str:
    """`robust` where a task family says what may err, else `quick`: longer skills alone take more demonstrations."""
    _, training = PRESETS["robust"]
    return "quick" if disturbance_of(training, dataset) == NO_DISTURBANCE else "robust"


def explained_per_joint(run: SkillRun, dataset: Dataset) -> dict[str, float]:
    """R² of each joint's actions, as the best model reproduces those of held-out episodes, if there are any."""
    training = run.config.training
    used, held_out = split_episodes(dataset.episodes, training.validation_share, np.random.default_rng(training.seed))
    report = reconstruction_report(run.load_best_model(), held_out or used)
    return dict(zip(run.config.dataset.joint_names, report.explained_per_joint, strict=True))


def dataset_reference(folder: Path, dataset: Dataset, digest: str) -> DatasetReference:
    """What a run remembers of its dataset."""
    first = dataset.episodes[0].metadata
    return DatasetReference(
        folder=str(folder),
        task=dataset.task,
        digest=digest,
        episodes=len(dataset.episodes),
        control_rate_hz=first.control_rate_hz,
        observation_names=first.observation_names,
        joint_names=first.joint_names,
        joint_units=first.joint_units,
        action_scale=first.action_scale,
        prior_fields=prior_fields(dataset),
    )


def prior_fields(dataset: Dataset) -> tuple[Field, ...]:
    """What a skill prior of this dataset's task sees; empty for the state alone, and where nobody knows the task.

    Raises:
        DatasetError: the dataset lacks some of it.
    """
    name = dataset.task.partition(":")[0]
    spec = find_family(name).robot.observation if name in family_names() else None
    if spec is None or spec.prior == (STATE,):
        return ()
    fields, first = spec.chosen(spec.prior), dataset.episodes[0]
    for field in fields:
        if part_of_state(field, first.metadata.observation_names) is None and field.name not in first.fields:
            raise DatasetError(
                f"{dataset.source} lacks {field.name}, which skill priors of the {name} see. Collect it again: "
                f"spirl demos collect --task {dataset.task}."
            )
    return fields


def check_dataset(dataset: Dataset, model: SkillModelConfig, training: SkillTrainingConfig) -> None:
    """Refuse, before anything is written, a dataset that cannot be trained on.

    Raises:
        ConfigError: a skill is longer than an episode, or there are too few episodes for the split.
    """
    shortest = min(range(len(dataset.episodes)), key=lambda index: dataset.episodes[index].steps)
    steps = dataset.episodes[shortest].steps
    if model.skill_horizon > steps:
        raise ConfigError(
            f"skill_horizon is {model.skill_horizon}, but episode {shortest} has only {steps} control steps. Lower the "
            "horizon, or leave such episodes out of the dataset."
        )
    split_episodes(dataset.episodes, training.validation_share, np.random.default_rng(training.seed))


def _record(log: TrainingLog, report: StepReport) -> None:
    log.add(
        "validation" if report.is_validation else "training",
        {"step": report.step},
        beta=report.beta,
        reconstruction=report.reconstruction,
        kl=report.kl,
        prior=report.prior,
    )
