"""From the folder of a skill training to what goes into a bundle."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from spirl_ros.control.observation_fields import STATE, Field, Observation, part_of_state
from spirl_ros.demonstrations.episode import Episode
from spirl_ros.demonstrations.storage import read_dataset, stored_digest
from spirl_ros.deployment.bundle_description import ActionMeaning, LatentModelDescription, Origin
from spirl_ros.deployment.robot_facts import bundle_joints, observed_state
from spirl_ros.errors import BundleError, DatasetError
from spirl_ros.skills.bundle_export import BundleContents
from spirl_ros.skills.export_modules import SkillPriorModule, decoder_module
from spirl_ros.skills.run import SkillRun
from spirl_ros.tasks.families import known_targets
from spirl_ros.tasks.task import RobotFacts

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
    seen = tuple(field.name for field in dataset.prior_fields) or (STATE,)
    return BundleContents(
        name=name,
        task=dataset.task,
        target_subtasks=known_targets(dataset.task),
        skill_horizon=run.config.model.skill_horizon,
        latent_size=run.config.model.latent_size,
        control_rate_hz=dataset.control_rate_hz,
        observation=(
            observed_state(robot, dataset.observation_names),
            *(field for field in dataset.prior_fields if field.name != STATE),
        ),
        action=ActionMeaning("joint_velocity", dataset.action_scale, robot.action_reference),
        joints=bundle_joints(robot, dataset.joint_names),
        decoder_description=description,
        decoder=decoder,
        prior=SkillPriorModule(model),
        prior_description=LatentModelDescription(seen),
        origin=Origin(dataset_digest=dataset.digest, commit=run.config.commit, command=run.config.command),
        evaluation={**_held_out_figures(run), **evaluation},
    )


def dataset_observations(
    run: SkillRun, folder: Path | None = None, fields: Sequence[Field] | None = None
) -> Observation:
    """Some observations (N, ...) of the dataset that a training used, evenly spread.

    Args:
        run: the training.
        folder: where the dataset is now; by default where it was.
        fields: what to give; by default what the prior sees, and the state.

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
    episodes = read_dataset(folder).episodes
    total = sum(episode.steps + 1 for episode in episodes)
    rows = np.linspace(0, total - 1, min(COMPARED_OBSERVATIONS, total)).astype(int)
    return chosen_observations(episodes, rows, run.config.dataset.prior_fields if fields is None else fields)


def chosen_observations(episodes: Sequence[Episode], rows: np.ndarray, fields: Sequence[Field]) -> Observation:
    """Observations (N, ...) of some episodes at rows (N,), which count through all of them.

    Args:
        episodes: of the same robot.
        rows: in rising order.
        fields: what to give beside the state; vectors whose values it has are taken from it.

    Raises:
        DatasetError: the episodes lack one.
    """
    first = np.cumsum([0, *(episode.steps + 1 for episode in episodes)])
    within = [rows[(rows >= begin) & (rows < end)] - begin for begin, end in pairwise(first)]
    state_names = episodes[0].metadata.observation_names
    state = np.concatenate([episode.observations[r] for episode, r in zip(episodes, within, strict=True)])
    found = {STATE: state.astype(np.float32)}
    for field in fields:
        if (columns := part_of_state(field, state_names)) is not None:
            found[field.name] = found[STATE][:, columns]
        else:
            if field.name not in episodes[0].fields:
                raise DatasetError(f"the dataset lacks {field.name}, which the policy sees. Collect it again.")
            values = [episode.fields[field.name][r] for episode, r in zip(episodes, within, strict=True)]
            found[field.name] = np.concatenate(values)
    return found


def _held_out_figures(run: SkillRun) -> dict[str, object]:
    """Losses on held-out episodes of the weights that are exported, those with the lowest ELBO loss."""
    latent_size = run.config.model.latent_size
    rows = [values for values in run.metrics() if values["part"] == "validation" and np.isfinite(values["kl"])]
    if not rows:
        return {}
    best = min(rows, key=lambda row: row["reconstruction"] + row["beta"] * row["kl"] / latent_size)
    return {"held_out": {name: best[name] for name in ("step", "reconstruction", "kl", "prior")}}
