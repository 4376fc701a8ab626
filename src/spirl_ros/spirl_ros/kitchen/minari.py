"""Reads Minari datasets of the kitchen: D4RL/kitchen/mixed-v2 and its family, and recordings of FrankaKitchen-v1.

An observation there is a dictionary; its entry `observation` has 59 values: 9 joint positions, 9 joint velocities, 21
scene positions, 20 scene velocities (gymnasium-robotics, FrankaKitchen-v1). Ours are the 30 positions. achieved_goal
and desired_goal repeat parts of it and are left out. Minari keeps the observation after the last action, so nothing is
lost.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.episode import Episode, EpisodeMetadata
from spirl_ros.demonstrations.formats.hdf5_source import open_hdf5
from spirl_ros.demonstrations.layout import robot_metadata
from spirl_ros.errors import DatasetError
from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.kitchen.subtasks import SubtaskDetector
from spirl_ros.tasks.task import MeasurementNoise

_JOINTS, _SCENE_POSITIONS = 9, 21
_FRANKA_KITCHEN_SIZE = 59
_POSITIONS = np.r_[0:_JOINTS, 2 * _JOINTS : 2 * _JOINTS + _SCENE_POSITIONS]
"""Where our 30 values stand among the 59."""
_ENVIRONMENT = "FrankaKitchen-v1"
_EXPECTED = (
    f"Expected {_ENVIRONMENT}'s: a dictionary with 'observation' ({_FRANKA_KITCHEN_SIZE},), and actions ({_JOINTS},)."
)

_READ_ERRORS = (OSError, KeyError, ValueError, TypeError, AssertionError, RuntimeError, MemoryError)
"""What minari and h5py raise for folders and files that they do not like."""


def read_minari(folder: Path, task: str | None = None) -> Dataset:
    """Read a folder in Minari's format that is not one of ours, as a task, or as `kitchen`.

    What is done, and when, is judged from observations.

    Raises:
        DatasetError: no such folder, other spaces than the kitchen's, or values that are not finite; it names the
            folder.
        ModuleNotFoundError: the package minari is not installed.
    """
    from minari import MinariDataset

    for file in sorted(folder.glob("*.hdf5")):  # which minari reads by itself, and follows wherever it leads
        with open_hdf5(file) as content:
            content.require_self_contained()
    try:
        source: Any = MinariDataset(folder)
        _check_spaces(source)
        metadata = replace(
            robot_metadata(KITCHEN.robot),
            operator=f"imported from {source.id}",
            measurement_noise=_noise(source.spec.env_spec),
        )
        detector = SubtaskDetector(KITCHEN.load_scene().scene_names)
        seeds = [one.get("seed") for one in source.storage.get_episode_metadata(source.episode_indices)]
        episodes = tuple(
            _episode(recorded, replace(metadata, seed=None if seed is None else int(seed)), detector)
            for recorded, seed in zip(source.iterate_episodes(), seeds, strict=True)
        )
        return Dataset(episodes, task or KITCHEN.name, {"imported_from": source.id})
    except DatasetError as error:
        raise DatasetError(f"{folder}: {error}") from error
    except _READ_ERRORS as error:
        raise DatasetError(
            f"{folder} cannot be read: {error}. Expected a complete Minari dataset; it may be truncated."
        ) from error


def _check_spaces(source: Any) -> None:
    environment = source.spec.env_spec
    if environment is not None and environment.id != _ENVIRONMENT:
        raise DatasetError(f"it was recorded in {environment.id}, so its numbers mean something else. {_EXPECTED}")
    space = source.observation_space
    inner = space["observation"] if hasattr(space, "spaces") and "observation" in space.spaces else None
    if inner is None or inner.shape != (_FRANKA_KITCHEN_SIZE,) or source.action_space.shape != (_JOINTS,):
        raise DatasetError(f"observations are {space}, actions are {source.action_space}. {_EXPECTED}")


def _noise(environment: Any) -> dict[str, float]:
    """Measurement noise of the environment that the dataset names; empty when it names none."""
    if environment is None:
        return {}
    defaults = MeasurementNoise()
    return {
        "robot_ratio": environment.kwargs.get("robot_noise_ratio", defaults.robot_ratio),
        "scene_ratio": environment.kwargs.get("object_noise_ratio", defaults.scene_ratio),
    }


def _episode(recorded: Any, metadata: EpisodeMetadata, detector: SubtaskDetector) -> Episode:
    observations = np.asarray(recorded.observations["observation"])
    name = f"episode {recorded.id}"
    if observations.ndim != 2 or observations.shape[1] != _FRANKA_KITCHEN_SIZE:
        raise DatasetError(f"{name} has observations {observations.shape}. {_EXPECTED}")
    observations = observations[:, _POSITIONS]
    completed: dict[str, int] = {}
    for step, observation in enumerate(observations[1:], start=1):
        for subtask in sorted(detector.done(observation[_JOINTS:])):
            completed.setdefault(subtask, step)
    is_terminated = bool(recorded.terminations[-1]) if len(recorded.terminations) else False
    try:
        return Episode(
            observations,
            recorded.actions,
            recorded.actions,
            recorded.rewards,
            terminated=is_terminated,
            truncated=not is_terminated,
            metadata=replace(metadata, completed_at_step=completed),
        )
    except DatasetError as error:
        raise DatasetError(f"{name}: {error}") from error
