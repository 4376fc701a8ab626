"""A set of episodes that belong together: same robot, same rate, same meaning of every number."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spirl_ros.demonstrations.episode import Episode
from spirl_ros.errors import DatasetError
from spirl_ros.tasks.families import family_of, known_targets, split_task

_SAME_IN_ALL = ("control_rate_hz", "observation_names", "joint_names", "joint_units", "action_scale", "more_fields")


@dataclass(frozen=True)
class Dataset:
    """Episodes in a fixed order."""

    episodes: tuple[Episode, ...]
    task: str
    """Name of the task, or its target subtasks separated by commas; after `FAMILY:` where it is not the default
    family's."""
    origin: Mapping[str, Any] = field(default_factory=dict)
    """How the dataset was made, for people: settings, and how much was dropped. Values that JSON can hold."""
    source: str = "the dataset"
    """For messages: the folder that a dataset of ours was read from."""

    def __post_init__(self) -> None:
        """Check that the episodes fit together."""
        if not self.episodes:
            raise DatasetError("the dataset has no episodes, expected at least one.")
        first = self.episodes[0].metadata
        for index, episode in enumerate(self.episodes):
            for name in _SAME_IN_ALL:
                found, expected = getattr(episode.metadata, name), getattr(first, name)
                if found != expected:
                    raise DatasetError(
                        f"{name} of episode {index} is {found}, but of episode 0 {expected}. "
                        "Keep episodes of different robots or rates in datasets of their own."
                    )

    @property
    def steps(self) -> int:
        """Control steps of all episodes."""
        return sum(episode.steps for episode in self.episodes)


def require_task(path: Path, found: str, expected: str) -> None:
    """Refuse a dataset that was made for another task than the one it is to be used for.

    Args:
        path: the dataset, for the message.
        found: the task that it was made for: a name, or target subtasks separated by commas.
        expected: the task that it is to be used for, written in either way.

    Raises:
        ConfigError: there is no task `expected`.
        DatasetError: the two differ.
    """
    if found == expected:
        return
    family, task = split_task(expected)
    if (family.name, task.goals) != (family_of(found).name, known_targets(found)):
        raise DatasetError(
            f"{path} was made for the task '{found}', not for '{expected}'. Choose a dataset of that task, "
            f"or ask for '{found}'."
        )


def dataset_digest(episodes: Iterable[Episode]) -> str:
    """SHA-256 over all arrays in order, as hexadecimal digits: the same numbers give the same digest in any file.

    Fields beside the state count with their names and types; without any, the digest is that of older versions.
    """
    digest = hashlib.sha256()
    for episode in episodes:
        digest.update(np.array(episode.observations.shape + episode.actions.shape, dtype="<i8").tobytes())
        for values in (episode.observations, episode.actions, episode.executed_actions, episode.rewards):
            digest.update(values.astype("<f8").tobytes())
        digest.update(bytes([episode.terminated, episode.truncated]))
        for described in episode.metadata.more_fields:
            values = episode.fields[described.name]
            digest.update(f"{described.name} {described.dtype} {values.shape}".encode())
            digest.update(values.astype(values.dtype.newbyteorder("<"), copy=False).ravel().data)
    return digest.hexdigest()
