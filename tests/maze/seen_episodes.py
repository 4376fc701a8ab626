"""Demonstrations in mazes with all that is observed, without files."""

from dataclasses import replace

import numpy as np

from spirl_ros.demonstrations.collection import robot_metadata
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.episode import Episode
from spirl_ros.demonstrations.operator_style import DEFAULT_STYLE
from spirl_ros.maze.episodes import ANYWHERE
from spirl_ros.maze.family import MAZE
from spirl_ros.tasks.task import EpisodeConfig

FIELDS = MAZE.robot.observation.fields[1:]


def seen_episode(seed: int, steps: int = 60) -> Episode:
    """The first control steps of one."""
    environment = MAZE.environment(EpisodeConfig(task=ANYWHERE, max_steps=steps))
    operator = MAZE.operator(DEFAULT_STYLE)
    environment.reset(seed)
    operator.start((ANYWHERE,), seed)
    observed, intended, executed = [environment.observe()], [], []
    while not environment.has_ended:
        action = operator.act(observed[-1]["state"])
        assert action is not None
        environment.step(action)
        observed.append(environment.observe())
        intended.append(operator.intended_action)
        executed.append(action)
    return Episode(
        np.array([seen["state"] for seen in observed]),
        np.array(intended),
        np.array(executed),
        np.zeros(len(intended)),
        terminated=False,
        truncated=True,
        metadata=replace(robot_metadata(MAZE.robot), task=(ANYWHERE,), operator="scripted", more_fields=FIELDS),
        fields={field.name: np.array([seen[field.name] for seen in observed], field.dtype) for field in FIELDS},
    )


def seen_dataset(count: int = 4) -> Dataset:
    """Some of them."""
    return Dataset(tuple(seen_episode(seed) for seed in range(count)), f"{MAZE.name}:{ANYWHERE}")


def without(dataset: Dataset, *names: str) -> Dataset:
    """As one that was recorded without some of the fields."""
    found = []
    for episode in dataset.episodes:
        fields = tuple(field for field in episode.metadata.more_fields if field.name not in names)
        kept = {field.name: episode.fields[field.name] for field in fields}
        found.append(replace(episode, metadata=replace(episode.metadata, more_fields=fields), fields=kept))
    return replace(dataset, episodes=tuple(found))
