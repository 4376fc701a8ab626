"""From the folder of a skill training to what goes into a bundle."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from spirl_ros.demonstrations.storage import read_dataset, stored_digest
from spirl_ros.deployment.bundle_description import ActionMeaning, ObservationLayout, Origin
from spirl_ros.deployment.export_modules import SkillPriorModule, decoder_module
from spirl_ros.deployment.onnx_export import BundleContents
from spirl_ros.deployment.robot_facts import RobotFacts
from spirl_ros.errors import BundleError, ConfigError
from spirl_ros.skills.run import SkillRun
from spirl_ros.tasks.kitchen.subtasks import target_subtasks

COMPARED_OBSERVATIONS = 512
"""Torch and ONNX Runtime are compared on so many."""


def skill_bundle_contents(
    run: SkillRun, name: str, robot: RobotFacts, evaluation: Mapping[str, object]
) -> BundleContents:
    """A bundle with the best skills of a training, without a policy.

    Args:
        run: the training.
        name: name of the bundle.
        robot: the robot that the demonstrations were made on.
        evaluation: figures to write down beside the held-out losses of the training.

    Raises:
        TrainingError: there is no best model yet.
        BundleError: the dataset is of another robot.
    """
    model, dataset = run.load_best_model(), run.config.dataset
    decoder, description = decoder_module(model)
    return BundleContents(
        name=name,
        task=dataset.task,
        target_subtasks=_subtasks(dataset.task),
        skill_horizon=run.config.model.skill_horizon,
        latent_size=run.config.model.latent_size,
        control_rate_hz=dataset.control_rate_hz,
        observation=ObservationLayout(dataset.observation_names, robot.observation_units(dataset.observation_names)),
        action=ActionMeaning("joint_velocity", dataset.action_scale, robot.action_reference),
        joints=robot.joints(dataset.joint_names),
        decoder_description=description,
        decoder=decoder,
        prior=SkillPriorModule(model),
        origin=Origin(dataset_digest=dataset.digest, commit=run.config.commit, command=run.config.command),
        evaluation={**_held_out_figures(run), **evaluation},
    )


def dataset_observations(run: SkillRun, folder: Path | None = None) -> np.ndarray:
    """Some observations (N, Do) of the dataset that a training used, evenly spread.

    Args:
        run: the training.
        folder: where the dataset is now; by default where it was.

    Raises:
        DatasetError: it is not there or cannot be read.
        BundleError: it is another dataset.
    """
    folder = Path(run.config.dataset.folder) if folder is None else folder
    if stored_digest(folder) != run.config.dataset.digest:
        raise BundleError(
            f"{folder} is another dataset than the one that {run.folder} was trained on (digest "
            f"{run.config.dataset.digest[:12]}…). Give its folder with --data."
        )
    observations = np.concatenate([episode.observations for episode in read_dataset(folder).episodes])
    rows = np.linspace(0, len(observations) - 1, min(COMPARED_OBSERVATIONS, len(observations))).astype(int)
    return observations[rows].astype(np.float32)


def _held_out_figures(run: SkillRun) -> dict[str, object]:
    """Losses on held-out episodes of the weights that are exported, those with the lowest ELBO loss."""
    latent_size = run.config.model.latent_size
    rows = [values for values in run.metrics() if values["part"] == "validation" and np.isfinite(values["kl"])]
    if not rows:
        return {}
    best = min(rows, key=lambda row: row["reconstruction"] + row["beta"] * row["kl"] / latent_size)
    return {"held_out": {name: best[name] for name in ("step", "reconstruction", "kl", "prior")}}


def _subtasks(task: str) -> tuple[str, ...]:
    """Target subtasks in order; none for a task that is no task of the kitchen."""
    try:
        return target_subtasks(task)
    except ConfigError:
        return ()
