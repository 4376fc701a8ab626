"""Reads LeRobot datasets: formats v3.0, v2.1 and v2.0, as LeRobotDataset writes them, and what `lerobot` here writes.

Both keep frames in data/chunk-NNN/*.parquet, v2 an episode in each file, v3 many; tasks are in meta/tasks.jsonl or
meta/tasks.parquet. Of a dataset of others the joint positions in observation.state are read, by the names that
meta/info.json gives them. Its `action` is what that robot was told, mostly the positions to go to, in whatever way its
driver wants it, so actions are made of the positions (see joint_tracks). Cameras are left out, but for our own.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from spirl_ros.arms.robot_configuration import RobotConfiguration
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.formats.lerobot import (
    KEPT,
    KEPT_DATASET,
    KEPT_LAST,
    KEPT_RECORD,
    KEPT_ROWS,
    SUCCESS,
)
from spirl_ros.demonstrations.formats.lerobot_pictures import picture_key, read_pictures
from spirl_ros.demonstrations.formats.parquet_source import numbers, read_table
from spirl_ros.demonstrations.joint_tracks import JointTrack, dataset_of_tracks
from spirl_ros.demonstrations.round_trip import recorded_fields, restore, unrounded
from spirl_ros.errors import DatasetError

INFO_FILE = Path("meta", "info.json")
_STATE, _REWARD = "observation.state", "next.reward"
_NUMBERS = ("episode_index", "frame_index", "task_index")
_LARGEST_JSON_BYTES = 64 * 2**20
_EXPECTED = "Expected a folder with meta/info.json of codebase_version v2.0, v2.1 or v3.0, and data/chunk-000."


def is_lerobot(folder: Path) -> bool:
    """Whether a folder looks like a LeRobot dataset."""
    return (folder / INFO_FILE).is_file()


def read_lerobot(
    folder: Path, task: str | None = None, robot: RobotConfiguration | None = None, *, with_pictures: bool = True
) -> Dataset:
    """Read a LeRobot dataset. One of ours gives the dataset that was exported, to the last bit.

    Args:
        folder: of the dataset.
        task: name of the dataset's task; None is what the dataset says.
        robot: the arm that it was recorded from: gives the joints, which must be in observation.state by their names,
            and the control rate. None takes all joints, as they are.
        with_pictures: read those of a dataset of ours.

    Raises:
        DatasetError: another format, damaged, not finite, other joints, or motions that the robot cannot do.
    """
    info = _read_info(folder / INFO_FILE)
    features = info["features"]
    paths = sorted((folder / "data").glob("*/*.parquet"))
    if not paths:
        raise DatasetError(f"{folder / 'data'} has no Parquet file in folders like chunk-000. {_EXPECTED}")
    if robot is None and (folder / KEPT).is_file():
        wanted = [feature for parts in KEPT_ROWS.values() for feature in parts if feature in features]
        frames = _read_frames(paths, [*_NUMBERS[:2], *wanted], ())
        return _restored(folder, features, frames, task, with_pictures)
    names, chosen = _joints(features, folder / INFO_FILE, robot)
    frames = _read_frames(paths, [*_NUMBERS, _STATE], (_REWARD, SUCCESS))
    positions = frames[_STATE].reshape(len(frames["frame_index"]), -1).astype(np.float64)
    if positions.shape[1] != len(names):
        raise DatasetError(
            f"{folder}: {_STATE} has {positions.shape[1]} values, but {INFO_FILE} has {len(names)} names for it."
        )
    texts = _read_tasks(folder / "meta")
    ends = np.flatnonzero(np.diff(frames["episode_index"])) + 1
    count = len(positions)
    rewards = frames.get(_REWARD, np.zeros(count)).reshape(count).astype(np.float64)
    tracks = [
        JointTrack(
            f"episode {frames['episode_index'][first]}",
            positions[first:end, chosen],
            rewards[first:end],
            texts.get(int(frames["task_index"][first]), ""),
            bool(frames[SUCCESS][first:end].any()) if SUCCESS in frames else None,
        )
        for first, end in zip([0, *ends], [*ends, count], strict=True)
    ]
    said = {track.task for track in tracks}
    name = robot.name if robot else info.get("robot_type")
    origin = {"imported_from": folder.name, **({"robot": name} if isinstance(name, str) and name else {})}
    task = task or (said.pop() if len(said) == 1 else "") or str(name or "lerobot")
    joint_names = [names[index] for index in chosen]
    try:
        return dataset_of_tracks(tracks, info["fps"], joint_names, ("rad",) * len(chosen), robot, task, origin)
    except DatasetError as error:
        raise DatasetError(f"{folder}: {error}") from error


def _read_info(path: Path) -> dict[str, Any]:
    info = _read_json(path)
    version = info.get("codebase_version") if isinstance(info, dict) else None
    if not isinstance(version, str) or not re.fullmatch(r"v(2\.[01]|3\.\d+)", version):
        raise DatasetError(f"{path} says codebase_version {version!r:.100}. {_EXPECTED}")
    fps = info.get("fps")
    if isinstance(fps, bool) or not isinstance(fps, (int, float)) or not 0.0 < fps <= 1e6:
        raise DatasetError(f"{path} says fps {fps!r:.100}, expected frames per second, more than 0.")
    features = info.get("features")
    if not isinstance(features, dict) or not isinstance(features.get(_STATE), dict):
        known = ", ".join(features) if isinstance(features, dict) else "none"
        raise DatasetError(
            f"{path} has no feature {_STATE}, which are the positions of the joints. Found {known:.500}."
        )
    return info


def _read_frames(paths: list[Path], needed: list[str], optional: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Columns of all frames, in the order of episodes and frames."""
    parts: dict[str, list[np.ndarray]] = {}
    for path in paths:
        table = read_table(path, [*needed, *optional])
        if missing := [name for name in needed if name not in table.column_names]:
            raise DatasetError(f"{path} lacks {', '.join(missing)}. {_EXPECTED}")
        for name in table.column_names:
            parts.setdefault(name, []).append(numbers(table, name, path))
    frames = {}
    for name, values in parts.items():
        if len(values) < len(paths) or len({value.shape[1:] for value in values}) > 1:
            raise DatasetError(
                f"{paths[0].parent.parent}: {name} is not in all files alike, expected the same columns."
            )
        frames[name] = np.concatenate(values)
    episode, frame = frames["episode_index"], frames["frame_index"]
    if not len(episode):
        raise DatasetError(f"{paths[0].parent.parent} has no frames, expected some.")
    order = np.lexsort((frame, episode))
    if (np.diff(order) != 1).any():
        frames = {name: values[order] for name, values in frames.items()}
        episode, frame = frames["episode_index"], frames["frame_index"]
    begins = np.diff(episode, prepend=episode[0] - 1) != 0
    first = np.maximum.accumulate(np.where(begins, np.arange(len(episode)), 0))
    if (wrong := np.flatnonzero(frame != np.arange(len(episode)) - first)).size:
        at = wrong[0]
        raise DatasetError(
            f"{paths[0].parent.parent}: episode {episode[at]} has frame_index {frame[at]} where {at - first[at]} "
            "should be: frames are missing, or there twice."
        )
    return frames


def _joints(features: Mapping[str, Any], path: Path, robot: RobotConfiguration | None) -> tuple[list[str], list[int]]:
    """Names of the values of observation.state, and which of them are the joints."""
    names = _names(features[_STATE])
    if names is None:
        shape = features[_STATE].get("shape")
        size = shape[0] if isinstance(shape, list) and len(shape) == 1 and isinstance(shape[0], int) else 0
        names = [f"joint{number}" for number in range(1, min(size, 1000) + 1)]
    is_position = [name.endswith(".pos") for name in names]  # beside them there may be .vel and .torque
    plain = [name.removesuffix(".pos") for name in names]
    chosen = [index for index, is_one in enumerate(is_position) if is_one or not any(is_position)]
    if robot is not None:
        wanted = robot.limits.joint_names
        found = [[index for index in chosen if plain[index] == name] for name in wanted]
        if any(len(places) != 1 for places in found):
            raise DatasetError(
                f"{path}: {_STATE} is {', '.join(names) or 'without names'}, but {robot.name} has "
                f"{', '.join(wanted)}. Choose "
                f"another --robot, or write the joints' names into the names of {_STATE} there."
            )
        chosen = [places[0] for places in found]
    if not chosen or len({plain[index] for index in chosen}) < len(chosen):
        raise DatasetError(f"{path}: names of {_STATE} are {', '.join(names) or 'none'}, expected one for each joint.")
    return plain, chosen


def _names(feature: Mapping[str, Any]) -> list[str] | None:
    """Names of a feature: a list, a list under a word such as `motors`, or numbers by name; None for none."""
    names = feature.get("names")
    if isinstance(names, dict) and len(names) == 1 and isinstance(next(iter(names.values())), list):
        names = next(iter(names.values()))
    if isinstance(names, dict) and names and all(isinstance(number, int) for number in names.values()):
        names = [name for name, _ in sorted(names.items(), key=lambda entry: entry[1])]
    return names if isinstance(names, list) and names and all(isinstance(name, str) for name in names) else None


def _read_tasks(meta: Path) -> dict[int, str]:
    """Tasks in words by their numbers; empty where there is no such file."""
    if (path := meta / "tasks.parquet").is_file():
        table = read_table(path)
        text = next((name for name in table.column_names if name != "task_index"), None)
        if text is None or "task_index" not in table.column_names:
            raise DatasetError(f"{path} has {', '.join(table.column_names)}, expected task_index and the tasks' text.")
        return dict(zip(numbers(table, "task_index", path).tolist(), map(str, table[text].to_pylist()), strict=True))
    path = meta / "tasks.jsonl"
    tasks = {}
    for line in _read_text(path).splitlines() if path.is_file() else ():
        if not line.strip():
            continue
        entry = _parse(line, path)
        try:
            tasks[int(entry["task_index"])] = str(entry["task"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise DatasetError(f"{path}: a line is {line:.200}, expected task_index and task.") from error
    return tasks


def _restored(
    folder: Path, features: Mapping[str, Any], frames: Mapping[str, np.ndarray], task: str | None, with_pictures: bool
) -> Dataset:
    """The dataset that `write_lerobot` wrote."""
    path = folder / KEPT
    table = read_table(path)
    record = (table.schema.metadata or {}).get(KEPT_DATASET)
    columns = {name for name in table.column_names if not name.startswith(KEPT_LAST)}
    if record is None or columns != {KEPT_RECORD, *(f"rounding/{name}" for name in KEPT_ROWS)}:
        raise DatasetError(f"{path} is not ours: it has {', '.join(table.column_names)}. Delete it, or export again.")
    rows, count = {}, len(frames["frame_index"])
    for name, columns in KEPT_ROWS.items():
        parts = [frames[part].reshape(count, -1) for part in columns if part in frames]
        single = np.concatenate(parts, axis=1) if parts else np.zeros((count, 0))
        left_off = table[f"rounding/{name}"].combine_chunks().flatten().to_numpy()
        if left_off.size != single.size:
            raise DatasetError(
                f"{folder} has {single.size} numbers of {name}, but {path} was written for {left_off.size}: frames "
                f"were added or removed. Delete {KEPT}: then it is read like any other dataset."
            )
        exact = unrounded(single, left_off.reshape(single.shape))
        rows[name] = exact[:, 0] if name == "rewards" else exact
    records = table[KEPT_RECORD].to_pylist()
    fields = _kept_pictures(folder, features, table, count) if with_pictures else {}
    return restore(record.decode(), records, rows, folder, str(KEPT), task, fields)


def _kept_pictures(
    folder: Path, features: Mapping[str, Any], table: pa.Table, frames: int
) -> dict[str, list[np.ndarray]]:
    """By field, the pictures (T+1, H, W, C) of each episode."""
    described, steps = recorded_fields(table[KEPT_RECORD].to_pylist())
    pictures = {}
    for one in described:
        key, last = picture_key(one), f"{KEPT_LAST}{one.name}"
        is_whole = min(steps) > 0 and sum(steps) == frames and last in table.column_names
        if not is_whole or not isinstance(features.get(key), dict):
            raise DatasetError(
                f"{folder} lacks {key}, or its frames were changed. Export again, or delete {KEPT}: then it is read "
                "like any other dataset."
            )
        pictures[one.name] = read_pictures(folder, features[key], one, steps, table[last].to_pylist())
    return pictures


def _read_json(path: Path) -> Any:
    return _parse(_read_text(path), path)


def _read_text(path: Path) -> str:
    if not path.is_file() or path.stat().st_size > _LARGEST_JSON_BYTES:
        raise DatasetError(f"there is no file {path} of at most {_LARGEST_JSON_BYTES // 2**20} MB. {_EXPECTED}")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read: {error}. {_EXPECTED}") from error


def _parse(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is not JSON: {error}. {_EXPECTED}") from error
