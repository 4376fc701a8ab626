"""Reads and writes the HDF5 files of D4RL's kitchen family (Fu et al. 2020, "D4RL").

Rows of all episodes follow each other: observations (N, 60), of which the last 30 are the goal, actions (N, 9),
rewards, terminals and timeouts (N,). An episode ends with a row whose terminal or timeout is set. Such a file has no
observation after an episode's last action, so that action is left out when reading. Files of ours have more, which
D4RL's own code ignores: next_observations, with which nothing is left out, infos/executed_actions, and in the group
`spirl_metadata` what brings the dataset back as it was.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.episode import Episode, EpisodeMetadata
from spirl_ros.demonstrations.formats.hdf5_source import Hdf5Group, open_hdf5
from spirl_ros.demonstrations.layout import require_layout, robot_metadata
from spirl_ros.demonstrations.round_trip import dataset_record, episode_record, restore, rounding, unrounded
from spirl_ros.errors import DatasetError
from spirl_ros.files.whole_files import appearing_whole, hdf5_written
from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.kitchen.scene import load_kitchen_scene
from spirl_ros.kitchen.subtasks import SubtaskDetector, goal_positions, target_subtasks

_COLUMNS = {"observations": 60, "actions": 9, "rewards": 0, "terminals": 0, "timeouts": 0}
"""Arrays of the schema and their columns, 0 for one number per row."""

_KEPT = "spirl_metadata"
"""Group of what only we read. D4RL's code that cuts files into episodes passes over names with this word."""

_ROWS = {
    "observations": "observations",
    "actions": "actions",
    "executed_actions": "infos/executed_actions",
    "rewards": "rewards",
}
"""Arrays of an episode, and where its rows are in the file."""

_ENDS = ("terminals", "timeouts")
"""Those that mark where episodes end. Files of D4RL's older code have only the first."""

_OURS = {"next_observations": 60, "infos/executed_actions": 9}


def read_d4rl(path: Path, task: str | None = None) -> Dataset:
    """Read a file of the kitchen family. Which subtasks are done, and when, is judged from the observations.

    A file of ours gives the dataset that was exported, to the last bit.

    Args:
        path: the file.
        task: to take it as; None is `kitchen`, or what was exported.

    Raises:
        DatasetError: no HDF5, another schema, sizes that do not fit, or values that are not finite.
    """
    with open_hdf5(path) as file:
        arrays = _read_arrays(file)
        if file.has(_KEPT):
            return _restored(file.group(_KEPT), arrays, path, task)
    scene = load_kitchen_scene()
    detector = SubtaskDetector(scene.scene_names)
    metadata = replace(robot_metadata(KITCHEN.robot), operator=f"imported from {path.name}")
    has_ended = arrays["terminals"].astype(bool) | arrays["timeouts"].astype(bool)
    has_ended[-1] = True  # the recording ends there, marked or not
    ends = np.flatnonzero(has_ended) + 1
    episodes, too_short = [], 0
    for first, end in zip([0, *ends[:-1]], ends, strict=True):
        rows = {name: values[first:end] for name, values in arrays.items()}
        episode = _episode(rows, metadata, detector)
        if episode is None:
            too_short += 1
        else:
            episodes.append(episode)
    if not episodes:
        raise DatasetError(f"{path} has {len(ends)} episodes of one row each, expected some of two or more.")
    return Dataset(
        tuple(episodes), task or "kitchen", {"imported_from": path.name, "dropped": {"a single row": too_short}}
    )


def write_d4rl(path: Path, dataset: Dataset) -> None:
    """Write a kitchen dataset in D4RL's schema, float32 as there, under a temporary name that is then renamed.

    Raises:
        DatasetError: the dataset is of another robot, the file exists, or the disk refuses.
    """
    require_layout(
        KITCHEN,
        dataset,
        "D4RL's schema has columns for the kitchen only. Export with --format lerobot, which takes every arm.",
        any_rate=True,
    )
    scene = load_kitchen_scene()
    goal = np.concatenate(
        (np.zeros(scene.joint_count), goal_positions(target_subtasks(dataset.task), scene.scene_names))
    )
    last = [np.arange(episode.steps) == episode.steps - 1 for episode in dataset.episodes]
    episodes = dataset.episodes
    arrays = {
        "observations": _with_goal(np.concatenate([episode.observations[:-1] for episode in episodes]), goal),
        "next_observations": _with_goal(np.concatenate([episode.observations[1:] for episode in episodes]), goal),
        "actions": np.concatenate([episode.actions for episode in episodes]),
        "infos/executed_actions": np.concatenate([episode.executed_actions for episode in episodes]),
        "rewards": np.concatenate([episode.rewards for episode in episodes]),
        "terminals": np.concatenate([at & e.terminated for at, e in zip(last, episodes, strict=True)]),
        # Every episode must end somewhere in this schema: what did not terminate timed out.
        "timeouts": np.concatenate([at & (not e.terminated) for at, e in zip(last, episodes, strict=True)]),
    }
    with appearing_whole(path) as temporary, hdf5_written(temporary) as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values if values.dtype == bool else values.astype(np.float32))
        kept = file.create_group(_KEPT)
        kept["dataset"] = np.array([dataset_record(dataset)], dtype=bytes)
        kept["episodes"] = np.array([episode_record(episode) for episode in episodes], dtype=bytes)
        for name, column in _ROWS.items():
            kept[f"rounding/{name}"] = rounding(
                arrays[column][:, : len(goal)] if name == "observations" else arrays[column]
            )


def _restored(kept: Hdf5Group, arrays: dict[str, np.ndarray], path: Path, task: str | None) -> Dataset:
    """The dataset that `write_d4rl` wrote."""
    rows = {}
    for name, column in _ROWS.items():
        left_off = kept.array(f"rounding/{name}")
        single = arrays[column]
        if name == "observations" and left_off.ndim == 2:
            single = single[:, : left_off.shape[1]]  # the rest is the goal
        if single.shape != left_off.shape:
            raise DatasetError(f"{kept.name}/rounding/{name} has shape {left_off.shape}, expected {single.shape}.")
        rows[name] = unrounded(single, left_off)
    (record,) = kept.texts("dataset")
    return restore(record, kept.texts("episodes"), rows, path, f"its group {_KEPT}", task)


def _read_arrays(file: Hdf5Group) -> dict[str, np.ndarray]:
    has = ", ".join(f"{name} {file.shape(name) or '(group)'}" for name in file.names())
    schema = ", ".join(f"{name} (N, {columns})" if columns else f"{name} (N,)" for name, columns in _COLUMNS.items())
    missing = [name for name in _COLUMNS if not file.is_array(name)]
    if {*missing} - {*_ENDS} or {*_ENDS} <= {*missing}:
        raise DatasetError(
            f"it lacks {', '.join(missing)}. Found {has or 'nothing'}; expected {schema}, of {' and '.join(_ENDS)} "
            "at least one."
        )
    columns = {name: size for name, size in _COLUMNS.items() if name not in missing}
    columns |= {name: size for name, size in _OURS.items() if file.has(name)}
    arrays = {name: file.array(name) for name in columns}
    if not arrays["observations"].shape:
        raise DatasetError(f"observations is a single number; the schema is {schema}.")
    rows = len(arrays["observations"])
    if rows == 0:
        raise DatasetError(f"it has no rows, expected {schema}.")
    for name, size in columns.items():
        expected = (rows, size) if size else (rows,)
        if arrays[name].shape != expected:
            raise DatasetError(f"{name} has shape {arrays[name].shape}, expected {expected}.")
        is_finite = np.isfinite(arrays[name])
        if not is_finite.all():
            row = int(np.argwhere(~is_finite)[0][0])
            raise DatasetError(f"{name} has a value in row {row} that is not finite, expected finite numbers only.")
    return arrays | {name: np.zeros(rows, dtype=bool) for name in missing}  # a file that marks none has none


def _episode(rows: dict[str, np.ndarray], metadata: EpisodeMetadata, detector: SubtaskDetector) -> Episode | None:
    """One episode from its rows; None when no action is left."""
    size, joints = len(metadata.observation_names), len(metadata.joint_names)
    observations = rows["observations"][:, :size]
    is_terminal = bool(rows["terminals"][-1])
    if "next_observations" in rows:
        observations = np.concatenate((observations, rows["next_observations"][-1:, :size]))
    else:
        is_terminal = False  # the action that the flag belongs to is left out
    steps = len(observations) - 1
    if steps < 1:
        return None
    completed: dict[str, int] = {}
    for step, observation in enumerate(observations[1:], start=1):
        for subtask in sorted(detector.done(observation[joints:])):
            completed.setdefault(subtask, step)
    return Episode(
        observations,
        rows["actions"][:steps],
        rows.get("infos/executed_actions", rows["actions"])[:steps],
        rows["rewards"][:steps],
        terminated=is_terminal,
        truncated=not is_terminal,
        metadata=replace(metadata, completed_at_step=completed),
    )


def _with_goal(observations: np.ndarray, goal: np.ndarray) -> np.ndarray:
    return np.concatenate((observations, np.broadcast_to(goal, observations.shape)), axis=1)
