"""Keeps datasets in Minari's format: a folder with main_data.hdf5 and metadata.json.

Minari itself opens the folder with `minari.MinariDataset(folder)`. It is not used for writing: it puts datasets below
the home directory, and appends to files in place, where a crash would leave half an episode.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from spirl_ros.control.observation_fields import PICTURE, Field
from spirl_ros.demonstrations.dataset import Dataset, dataset_digest, require_task
from spirl_ros.demonstrations.episode import Episode, EpisodeMetadata
from spirl_ros.demonstrations.formats.hdf5_source import Hdf5Group, open_hdf5
from spirl_ros.demonstrations.mapped_pictures import MappedPictures
from spirl_ros.demonstrations.operator_style import OperatorStyle
from spirl_ros.errors import DatasetError
from spirl_ros.files.whole_files import appearing_whole, hdf5_written

DATA_FILE = "main_data.hdf5"
METADATA_FILE = "metadata.json"
FORMAT_VERSION = "0.5.3"
"""The version of Minari whose format this is."""

_OWN_KEY = "spirl"
"""Our entry in metadata.json, beside Minari's."""
_FIELDS = "infos/fields"
"""Where an episode's fields beside the state are."""
_CHUNK_BYTES = 65536
"""Pictures that are compressed together take about so much memory."""


def write_dataset(folder: Path, dataset: Dataset) -> str:
    """Write a dataset under a temporary name, then rename it: the folder appears complete or not at all.

    Returns:
        The dataset's digest.

    Raises:
        DatasetError: something is there already, or the disk refuses.
    """
    digest = dataset_digest(dataset.episodes)
    with appearing_whole(folder) as temporary:
        temporary.mkdir()
        with hdf5_written(temporary / DATA_FILE) as file:
            for index, episode in enumerate(dataset.episodes):
                write_episode(file.create_group(f"episode_{index}"), episode, index)
        size_mb = round((temporary / DATA_FILE).stat().st_size / 1e6, 1)
        metadata = _minari_metadata(folder.name, dataset, size_mb)
        metadata[_OWN_KEY] = {"task": dataset.task, "digest": digest, "origin": dict(dataset.origin)}
        (temporary / METADATA_FILE).write_text(json.dumps(metadata, indent=1), encoding="utf-8")
    return digest


def read_dataset(folder: Path, task: str | None = None) -> Dataset:
    """Read a whole dataset that `write_dataset` wrote; pictures that are many stay on the disk, see MappedPictures.

    Args:
        folder: the dataset.
        task: what it must have been made for, a task's name or its target subtasks; None where that does not matter.

    Raises:
        DatasetError: not such a dataset, truncated, changed, not finite, mixed up, or of another task, or no room for
            its pictures; the message names it.
    """
    metadata = read_metadata(folder)
    own = metadata[_OWN_KEY]
    if task is not None:
        require_task(folder, own["task"], task)
    with open_hdf5(folder / DATA_FILE) as file:
        expected, found = metadata["total_episodes"], len(file.names())
        if found != expected:
            raise DatasetError(f"{folder / DATA_FILE} has {found} episodes, but {METADATA_FILE} says {expected}.")
        pictures = MappedPictures(folder)
        episodes = tuple(read_episode(file, f"episode_{i}", pictures) for i in range(expected))
        dataset = Dataset(episodes, own["task"], own["origin"], str(folder))
        digest = dataset_digest(dataset.episodes)
        if digest != own["digest"]:
            raise DatasetError(
                f"the digest is {digest}, but {own['digest']} was stored with it: its arrays were changed. "
                "Take the original again."
            )
        return dataset


def read_metadata(folder: Path) -> dict[str, Any]:
    """Read metadata.json of a dataset of ours.

    Raises:
        DatasetError: there is none, it is no JSON, or it lacks what we write.
    """
    path = folder / METADATA_FILE
    expected = f"Expected a folder with {DATA_FILE} and {METADATA_FILE}, as `spirl demos collect` writes it."
    if not path.is_file():
        raise DatasetError(f"{folder} is not a dataset: there is no {path}. {expected}")
    try:
        metadata = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is not JSON: {error}. {expected}") from error
    if not isinstance(metadata, dict) or _OWN_KEY not in metadata:
        raise DatasetError(f"{path} has no entry '{_OWN_KEY}': the dataset is not one of ours. {expected}")
    own = metadata[_OWN_KEY]
    for name, kind in (("task", str), ("digest", str), ("origin", dict)):
        if not isinstance(own, dict) or not isinstance(own.get(name), kind):
            raise DatasetError(f"{path} lacks {_OWN_KEY}.{name}, or it is damaged: found {own!r:.200}. {expected}")
    episodes = metadata.get("total_episodes")
    if not isinstance(episodes, int) or isinstance(episodes, bool) or episodes < 1:
        raise DatasetError(f"{path} says total_episodes {episodes!r:.200}, expected a whole number above 0. {expected}")
    return metadata


def is_ours(folder: Path) -> bool:
    """Whether `write_dataset` wrote a folder's metadata.json, which is there. False when it is another program's."""
    try:
        metadata = json.loads((folder / METADATA_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return True  # damaged, as read_metadata will say
    return not isinstance(metadata, dict) or _OWN_KEY in metadata or "minari_version" not in metadata


def stored_digest(folder: Path) -> str:
    """The digest that was written with a dataset."""
    return read_metadata(folder)[_OWN_KEY]["digest"]


def write_episode(group: h5py.Group, episode: Episode, index: int) -> None:
    """Write one episode into its own group, in Minari's layout."""
    last_only = np.arange(episode.steps) == episode.steps - 1
    group.create_dataset("observations", data=episode.observations)
    group.create_dataset("actions", data=episode.actions)
    group.create_dataset("rewards", data=episode.rewards)
    group.create_dataset("terminations", data=last_only & episode.terminated)
    group.create_dataset("truncations", data=last_only & episode.truncated)
    group.create_group("infos").create_dataset("executed_actions", data=episode.executed_actions)
    for described in episode.metadata.more_fields:
        _write_field(group, described, episode.fields[described.name])
    for name, value in _flatten(plain_metadata(episode.metadata)).items():
        group.attrs[name] = value
    group.attrs["id"] = index
    group.attrs["total_steps"] = episode.steps


def _write_field(group: h5py.Group, described: Field, values: np.ndarray) -> None:
    """Pictures are compressed by gzip at level 1, which every program with HDF5 reads.

    Of the maze's pictures 28 times smaller, read at 950 MB/s and written at 550 MB/s by one core; lzf makes them 17
    times smaller, at 540 and 390 MB/s. Level 4: 35 times, but written at 210 MB/s. Pictures with a camera's noise
    become 1.3 times smaller, read at 180 MB/s. Shuffling does nothing to single bytes.
    """
    path = f"{_FIELDS}/{described.name}"
    if described.dtype != PICTURE:
        group.create_dataset(path, data=values)
        return
    together = min(len(values), max(1, _CHUNK_BYTES // values[0].nbytes))
    group.create_dataset(path, data=values, chunks=(together, *described.shape), compression="gzip", compression_opts=1)


def plain_metadata(metadata: EpisodeMetadata) -> dict[str, Any]:
    """What `metadata_from` makes metadata of: nested mappings, texts and numbers.

    There is no `more_fields` where there are none, as in older datasets.
    """
    plain = asdict(metadata)
    if metadata.more_fields:
        plain["more_fields"] = tuple(json.dumps(one) for one in plain["more_fields"])
    else:
        del plain["more_fields"]
    return plain


def read_episode(file: Hdf5Group, name: str, pictures: MappedPictures) -> Episode:
    """Read one episode that `write_episode` wrote, its pictures to where they are kept.

    Raises:
        DatasetError: a part is missing or cannot be used, or there is no room.
    """
    group = file.group(name)
    found = group.names()
    missing = [key for key in _ARRAYS if key.split("/")[0] not in found]
    if missing:
        raise DatasetError(f"{name} lacks {', '.join(missing)}; it has {', '.join(found) or 'nothing'}.")
    arrays = {key: group.array(key) for key in _ARRAYS}
    attributes = group.attributes()
    try:
        metadata = metadata_from(attributes)
        return Episode(
            observations=arrays["observations"],
            actions=arrays["actions"],
            executed_actions=arrays["infos/executed_actions"],
            rewards=arrays["rewards"],
            terminated=bool(arrays["terminations"].any()),
            truncated=bool(arrays["truncations"].any()),
            metadata=metadata,
            fields={one.name: _read_field(group, one, pictures) for one in metadata.more_fields},
        )
    except (DatasetError, TypeError, ValueError) as error:  # arrays and attributes of other kinds
        raise DatasetError(f"{name}: {error}") from error


def _read_field(group: Hdf5Group, described: Field, pictures: MappedPictures) -> np.ndarray:
    """Read-only, so that an Episode need not copy it."""
    path = f"{_FIELDS}/{described.name}"
    if described.dtype == PICTURE:
        return pictures.keep(group.array(path, of_pictures=True))
    values = group.array(path)
    values.flags.writeable = False
    return values


_ARRAYS = ("observations", "actions", "rewards", "terminations", "truncations", "infos/executed_actions")


def _flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Attributes of a group: `a/b` for the entry b of a, as Minari does; what is None is left out."""
    flat: dict[str, Any] = {}
    for name, value in nested.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{name}/")
        elif isinstance(value, str) or (isinstance(value, tuple) and (not value or isinstance(value[0], str))):
            flat[f"{prefix}{name}"] = _fixed_length(value)
        elif value is not None:
            flat[f"{prefix}{name}"] = value
    return flat


def _fixed_length(text: str | tuple[str, ...]) -> np.ndarray:
    """Text of a fixed length.

    HDF5 keeps other text where no checksum is, and damage there can make it search for ever.
    """
    encoded = np.array(text.encode() if isinstance(text, str) else [entry.encode() for entry in text], dtype=bytes)
    return encoded.astype(h5py.string_dtype(length=max(1, encoded.itemsize)))


def metadata_from(attributes: Mapping[str, Any]) -> EpisodeMetadata:
    """How an episode came about, from its attributes: `a/b` is the entry b of a.

    Raises:
        DatasetError: one is missing, or is no description of a field.
    """
    values: dict[str, Any] = {"completed_at_step": {}, "operator_style": {}, "measurement_noise": {}}
    for path, value in attributes.items():
        name, _, entry = path.partition("/")
        plain = tuple(map(_as_text, value.tolist())) if isinstance(value, np.ndarray) else _as_text(value)
        if entry:
            values.setdefault(name, {})[entry] = plain
        else:
            values[name] = plain
    by_step = sorted(values["completed_at_step"].items(), key=lambda entry: (entry[1], entry[0]))
    values["completed_at_step"] = dict(by_step)
    values["operator_style"] = OperatorStyle(**values["operator_style"]) if values["operator_style"] else None
    values["more_fields"] = tuple(map(_field_from, values.get("more_fields", ())))
    known = {field.name for field in fields(EpisodeMetadata)}
    try:
        return EpisodeMetadata(**{name: value for name, value in values.items() if name in known})
    except TypeError as error:
        raise DatasetError(f"its attributes are {', '.join(map(str, attributes))}; {error}.") from error


def _field_from(text: Any) -> Field:
    """The field that a text of JSON describes."""
    try:
        parts = json.loads(text).items()
        described: dict[str, Any] = {name: tuple(part) if isinstance(part, list) else part for name, part in parts}
        return Field(**described)
    except (AttributeError, RecursionError, TypeError, ValueError) as error:
        raise DatasetError(f"more_fields has {text!r:.200}, expected a field as JSON: {error}.") from error


def _as_text(value: Any) -> Any:
    """A plain value; text may be of fixed length, as bytes."""
    plain = getattr(value, "item", lambda: value)()
    return plain.decode() if isinstance(plain, bytes) else plain


def _minari_metadata(name: str, dataset: Dataset, size_mb: float) -> dict[str, Any]:
    first = dataset.episodes[0]
    return {
        "total_episodes": len(dataset.episodes),
        "total_steps": dataset.steps,
        "data_format": "hdf5",
        "jpeg_encoding": False,
        "observation_space": _box(first.observations.shape[1], np.inf),
        "action_space": _box(first.actions.shape[1], 1.0),
        "dataset_id": f"spirl/{re.sub('[^A-Za-z0-9_]+', '_', name)}-v0",
        "minari_version": FORMAT_VERSION,
        "dataset_size": size_mb,
        "algorithm_name": first.metadata.operator,
        "description": f"Demonstrations of the task {dataset.task}. Actions are the intended ones; "
        "infos/executed_actions are those carried out.",
    }


def _box(size: int, limit: float) -> str:
    """A box space as Minari writes it: JSON inside JSON."""
    space = {"type": "Box", "dtype": "float64", "shape": [size], "low": [-limit] * size, "high": [limit] * size}
    return json.dumps(space)
