"""A set of episodes that belong together: same robot, same rate, same meaning of every number."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spirl_ros.demonstrations.episode import Episode
from spirl_ros.errors import ConfigError, DatasetError
from spirl_ros.tasks.kitchen.subtasks import target_subtasks

_SAME_IN_ALL = ("control_rate_hz", "observation_names", "joint_names", "joint_units", "action_scale")


@dataclass(frozen=True)
class Dataset:
    """Episodes in a fixed order."""

    episodes: tuple[Episode, ...]
    task: str
    """Name of the task, or its target subtasks separated by commas."""
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
    if found != expected and target_subtasks(expected) != known_targets(found):
        raise DatasetError(
            f"{path} was made for the task '{found}', not for '{expected}'. Choose a dataset of that task, "
            f"or ask for '{found}'."
        )


def dataset_digest(episodes: Iterable[Episode]) -> str:
    """SHA-256 over all arrays in order, as hexadecimal digits: the same numbers give the same digest in any file."""
    digest = hashlib.sha256()
    for episode in episodes:
        digest.update(np.array(episode.observations.shape + episode.actions.shape, dtype="<i8").tobytes())
        for values in (episode.observations, episode.actions, episode.executed_actions, episode.rewards):
            digest.update(values.astype("<f8").tobytes())
        digest.update(bytes([episode.terminated, episode.truncated]))
    return digest.hexdigest()


def known_targets(task: str) -> tuple[str, ...]:
    """Target subtasks of a dataset's task; none for one that this version does not know, such as a real arm's."""
    try:
        return target_subtasks(task)
    except ConfigError:
        return ()
