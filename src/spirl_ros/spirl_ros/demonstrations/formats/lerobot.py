"""Writes LeRobot datasets, format v3.0, with nothing but pyarrow, and PyAV for pictures as video.

The layout is that which lerobot 0.4's LeRobotDataset reads: frames of all episodes in data/, one row per episode with
its statistics in meta/episodes/, tasks in meta/tasks.parquet, features and rate in meta/info.json. A frame is an
observation
and the action chosen on it, so the observation after an episode's last action has no place there. It stands, with all
else that the format has no place for, in spirl/episodes.parquet, which LeRobot ignores: with it lerobot_source gives
the same dataset again.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.episode import Episode
from spirl_ros.demonstrations.formats.lerobot_pictures import (
    PictureWriter,
    kept_fields,
    picture_feature,
    picture_key,
    to_png,
)
from spirl_ros.demonstrations.formats.lerobot_video import VIDEO_FILE_MB, VIDEO_PATH
from spirl_ros.demonstrations.layout import layout_difference
from spirl_ros.demonstrations.round_trip import dataset_record, episode_record, rounding
from spirl_ros.files.whole_files import appearing_whole
from spirl_ros.tasks.families import family_of

FORMAT_VERSION = "v3.0"
_CHUNK_PATH = "chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
_FILES_PER_CHUNK = 1000
_DATA_FILE_MB = 100
"""A data file is closed before it grows beyond this, as LeRobot's own are."""
KEPT = Path("spirl", "episodes.parquet")
"""What only we read."""
KEPT_DATASET = b"spirl"
"""Its schema's metadata has the record of the dataset under this name."""
KEPT_RECORD = "record"
KEPT_LAST = "last_picture/"
"""Before the name of a field: a column of the pictures after each episode's last action, which no frame has."""
KEPT_ROWS = {
    "observations": ("observation.state", "observation.environment_state"),
    "actions": ("action",),
    "executed_actions": ("executed_action",),
    "rewards": ("next.reward",),
}
"""Arrays of an episode, for each of which it has a column `rounding/...`, and the features that hold them."""
SUCCESS = "next.success"
"""LeRobot's name for it."""

_QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}

_FRAME_NUMBERS: dict[str, Any] = {
    name: {"dtype": "float32" if name == "timestamp" else "int64", "shape": [1], "names": None}
    for name in ("timestamp", "frame_index", "episode_index", "index", "task_index")
}
"""Features that every LeRobot dataset has."""


def write_lerobot(folder: Path, dataset: Dataset) -> None:
    """Write a dataset as a LeRobot folder that appears complete or not at all.

    `action` is the intended action and `executed_action` the one carried out; observation.state are joint positions,
    observation.environment_state everything else. Numbers are float32, as LeRobot's policies want them. Pictures are
    observation.images.NAME; vectors beside the state are left out.

    Raises:
        DatasetError: something is there already, or the disk refuses.
    """
    features = _features(dataset)
    tasks = {task: number for number, task in enumerate(dict.fromkeys(_task(e, dataset) for e in dataset.episodes))}
    with appearing_whole(folder) as temporary:
        rows, frames, pictures = [], [], PictureWriter(dataset, temporary, _place)
        for row, table in _episodes(dataset, features, tasks, temporary, pictures):
            rows.append(row)
            frames.append(table)
        pictures.close()
        whole = pa.concat_tables(frames)
        info = {
            "codebase_version": FORMAT_VERSION,
            "robot_type": _robot_type(dataset),
            "total_episodes": len(rows),
            "total_frames": whole.num_rows,
            "total_tasks": len(tasks),
            "chunks_size": _FILES_PER_CHUNK,
            "data_files_size_in_mb": _DATA_FILE_MB,
            "video_files_size_in_mb": VIDEO_FILE_MB,
            "fps": _plain(dataset.episodes[0].metadata.control_rate_hz),
            "splits": {"train": f"0:{len(rows)}"},
            "data_path": f"data/{_CHUNK_PATH}",
            "video_path": VIDEO_PATH if pictures.files else None,
            "features": features,
        }
        meta = temporary / "meta"
        _write_table(meta / "episodes" / _CHUNK_PATH.format(chunk_index=0, file_index=0), pa.Table.from_pylist(rows))
        _write_table(meta / "tasks.parquet", _tasks_table(tasks))
        _write_json(meta / "info.json", info)
        _write_json(meta / "stats.json", _statistics(whole) | pictures.statistics())
        _write_kept(temporary / KEPT, dataset)


def _features(dataset: Dataset) -> dict[str, Any]:
    metadata = dataset.episodes[0].metadata
    joints, observed = list(metadata.joint_names), list(metadata.observation_names)

    def vector(names: list[str]) -> dict[str, Any]:
        return {"dtype": "float32", "shape": [len(names)], "names": names}

    scene = observed[len(joints) :]
    is_known = all(episode.metadata.is_success is not None for episode in dataset.episodes)
    return {
        "observation.state": vector(observed[: len(joints)]),
        **({"observation.environment_state": vector(scene)} if scene else {}),
        "action": vector(joints),
        "executed_action": vector(joints),
        "next.reward": {"dtype": "float32", "shape": [1], "names": None},
        "next.done": {"dtype": "bool", "shape": [1], "names": None},
        **({SUCCESS: {"dtype": "bool", "shape": [1], "names": None}} if is_known else {}),
        **{picture_key(one): picture_feature(one, metadata.control_rate_hz) for one in kept_fields(dataset)},
        **_FRAME_NUMBERS,
    }


def _episodes(
    dataset: Dataset, features: Mapping[str, Any], tasks: Mapping[str, int], folder: Path, pictures: PictureWriter
) -> Iterator[tuple[dict[str, Any], pa.Table]]:
    """Write the data files, and give each episode's row and frames."""
    writer, file_number, size, first_frame = None, -1, 0, 0
    try:
        for index, episode in enumerate(dataset.episodes):
            task = _task(episode, dataset)
            numbers = _frames(episode, features, index, first_frame, tasks[task])
            table = numbers
            for name, column in pictures.columns(episode).items():
                table = table.append_column(name, column)
            if writer is None or size + table.nbytes > _DATA_FILE_MB * 2**20:
                if writer is not None:
                    writer.close()
                file_number, size = file_number + 1, 0
                path = folder / "data" / _CHUNK_PATH.format(**_place(file_number))
                path.parent.mkdir(parents=True, exist_ok=True)
                writer = parquet.ParquetWriter(path, table.schema, compression="snappy")
            writer.write_table(table)
            size += table.nbytes
            row = {
                "episode_index": index,
                "tasks": [task],
                "length": episode.steps,
                **{f"data/{name}": number for name, number in _place(file_number).items()},
                "dataset_from_index": first_frame,
                "dataset_to_index": first_frame + episode.steps,
                **{f"meta/episodes/{name}": number for name, number in _place(0).items()},
            }
            for feature, statistics in _statistics(numbers).items():
                row |= {f"stats/{feature}/{name}": values for name, values in statistics.items()}
            yield row | pictures.add(episode), numbers
            first_frame += episode.steps
    finally:
        if writer is not None:
            writer.close()


def _frames(episode: Episode, features: Mapping[str, Any], index: int, first_frame: int, task: int) -> pa.Table:
    joints, frames = len(episode.metadata.joint_names), np.arange(episode.steps)
    columns = {
        "observation.state": episode.observations[:-1, :joints],
        "observation.environment_state": episode.observations[:-1, joints:],
        "action": episode.actions,
        "executed_action": episode.executed_actions,
        "next.reward": episode.rewards,
        "next.done": frames == episode.steps - 1,
        SUCCESS: (frames == episode.steps - 1) & (episode.metadata.is_success is True),
        "timestamp": frames / episode.metadata.control_rate_hz,
        "frame_index": frames,
        "episode_index": np.full(episode.steps, index),
        "index": first_frame + frames,
        "task_index": np.full(episode.steps, task),
    }
    arrays, names = [], [name for name, feature in features.items() if feature["dtype"] not in ("video", "image")]
    for name in names:
        feature = features[name]
        values = np.ascontiguousarray(columns[name], dtype=feature["dtype"])
        flat = pa.array(values.ravel())
        # One value per frame is stored as a number, several as a list: the reader tells them apart by the shape.
        arrays.append(flat if feature["shape"] == [1] else pa.FixedSizeListArray.from_arrays(flat, values.shape[1]))
    return pa.table(arrays, names=names)


def _statistics(table: pa.Table) -> dict[str, dict[str, list]]:
    """Per feature: min, max, mean, std, count and quantiles, each a list with one entry per value of the feature."""
    statistics = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        is_vector = pa.types.is_fixed_size_list(column.type)
        size, flat = (column.type.list_size, column.flatten()) if is_vector else (1, column)
        values = flat.to_numpy(zero_copy_only=False).astype(np.float64).reshape(table.num_rows, size)
        quantiles = np.quantile(values, list(_QUANTILES.values()), axis=0)
        statistics[name] = {
            "min": values.min(axis=0).tolist(),
            "max": values.max(axis=0).tolist(),
            "mean": values.mean(axis=0).tolist(),
            "std": values.std(axis=0).tolist(),
            "count": [table.num_rows],
            **{key: row.tolist() for key, row in zip(_QUANTILES, quantiles, strict=True)},
        }
    return statistics


def _write_kept(path: Path, dataset: Dataset) -> None:
    """Write what brings the dataset back equal."""
    fields = kept_fields(dataset)
    columns = {KEPT_RECORD: pa.array([episode_record(episode, fields) for episode in dataset.episodes], pa.string())}
    for one in fields:
        last = [to_png(episode.fields[one.name][-1]) for episode in dataset.episodes]
        columns[f"{KEPT_LAST}{one.name}"] = pa.array(last, pa.binary())
    for name in KEPT_ROWS:
        values = [getattr(episode, name)[: episode.steps] for episode in dataset.episodes]
        flat = rounding(np.concatenate(values)).ravel()
        offsets = np.cumsum([0, *(value.size for value in values)])
        # Of 64 bits in any case, the encoding takes as few as are needed.
        columns[f"rounding/{name}"] = pa.LargeListArray.from_arrays(offsets, flat.astype(np.int64))
    table = pa.table(columns).replace_schema_metadata({KEPT_DATASET: dataset_record(dataset, fields)})
    path.parent.mkdir()
    encoding = {f"rounding/{name}.list.element": "DELTA_BINARY_PACKED" for name in KEPT_ROWS}
    parquet.write_table(table, path, compression="zstd", use_dictionary=False, column_encoding=encoding)


def _robot_type(dataset: Dataset) -> str | None:
    """The arm's name: as it was recorded, or that of the task family's; None for an arm that nobody named."""
    if recorded := dataset.origin.get("robot"):
        return str(recorded)
    robot = family_of(dataset.task).robot
    is_of_it = layout_difference(robot, dataset.episodes[0].metadata, any_rate=True) is None
    return (robot.model or robot.name) if is_of_it else None


def _tasks_table(tasks: Mapping[str, int]) -> pa.Table:
    """Numbers of the tasks, indexed by their text: the schema's metadata makes pandas use that index."""
    text = "__index_level_0__"
    number = {"pandas_type": "int64", "numpy_type": "int64", "metadata": None}
    string = {"pandas_type": "unicode", "numpy_type": "object", "metadata": None}
    pandas = {
        "index_columns": [text],
        "column_indexes": [{"name": None, "field_name": None, **string}],
        "columns": [
            {"name": "task_index", "field_name": "task_index", **number},
            {"name": None, "field_name": text, **string},
        ],
        "creator": {"library": "pyarrow", "version": pa.__version__},
    }
    table = pa.table({"task_index": pa.array(tasks.values(), pa.int64()), text: pa.array(tasks, pa.string())})
    return table.replace_schema_metadata({"pandas": json.dumps(pandas)})


def _task(episode: Episode, dataset: Dataset) -> str:
    """What the operator was asked for, in words."""
    return ", ".join(episode.metadata.task or dataset.task.split(",")).replace("_", " ")


def _place(file_number: int) -> dict[str, int]:
    chunk, file = divmod(file_number, _FILES_PER_CHUNK)
    return {"chunk_index": chunk, "file_index": file}


def _plain(rate_hz: float) -> float | int:
    """A whole rate as an integer, as LeRobot writes it."""
    return int(rate_hz) if float(rate_hz).is_integer() else float(rate_hz)


def _write_table(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, path, compression="snappy")


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=4), encoding="utf-8")
