"""Keeps what another program's format has no place for, so that an exported dataset comes back equal, to the last bit.

Two records as JSON, of the dataset and of each episode, and for every number what single precision leaves off it.
Fields beside the state are left out unless the format has them: what comes back is the dataset without the others.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from spirl_ros.control.observation_fields import Field
from spirl_ros.demonstrations.dataset import Dataset, dataset_digest, require_task
from spirl_ros.demonstrations.episode import Episode
from spirl_ros.demonstrations.storage import metadata_from, plain_metadata
from spirl_ros.errors import DatasetError

_VERSION = 1


def rounding(values: np.ndarray) -> np.ndarray:
    """What rounding float64 to float32 leaves off, of the same shape: how many float64 lie between the two.

    Neighbours differ by one when their bits are read as whole numbers, and rounding keeps the sign. int32 where that
    holds all, which is wherever numbers are neither beyond float32 nor all but 0.
    """
    exact = np.ascontiguousarray(values, dtype=np.float64)
    with np.errstate(over="ignore"):
        single = exact.astype(np.float32).astype(np.float64)
    left_off = exact.view(np.int64) - single.view(np.int64)
    fits = left_off.size == 0 or np.abs(left_off).max() <= np.iinfo(np.int32).max
    return left_off.astype(np.int32) if fits else left_off


def unrounded(single: np.ndarray, left_off: np.ndarray) -> np.ndarray:
    """The float64 of which `rounding` gave `left_off`, from its float32."""
    rounded = np.ascontiguousarray(single, dtype=np.float32).astype(np.float64)
    return (rounded.view(np.int64) + left_off).view(np.float64)


def dataset_record(dataset: Dataset, kept: Sequence[Field] = ()) -> str:
    """What a dataset is beside its episodes, of which the format keeps these fields."""
    record = {"version": _VERSION, "task": dataset.task, "origin": dict(dataset.origin)}
    record["digest"] = dataset_digest(episode.without_fields() for episode in dataset.episodes)
    if kept:
        record["digest_with_fields"] = dataset_digest(episode.with_fields(kept) for episode in dataset.episodes)
    return json.dumps(record, default=_plain)


def episode_record(episode: Episode, kept: Sequence[Field] = ()) -> str:
    """What an episode is beside the rows of its actions, and the fields that the format keeps.

    The observation after the last action is not one of those rows, so its state is here.
    """
    record = {
        "steps": episode.steps,
        "last_observation": episode.observations[-1].tolist(),
        "terminated": episode.terminated,
        "truncated": episode.truncated,
        "metadata": plain_metadata(replace(episode.metadata, more_fields=tuple(kept))),
    }
    return json.dumps(record, default=_plain)


def recorded_fields(episode_records: Sequence[str]) -> tuple[tuple[Field, ...], list[int]]:
    """Fields that the format keeps, the same in every episode, and the steps of each. Raises DatasetError."""
    try:
        entries = [json.loads(text) for text in episode_records]
        described = metadata_from(_flat(entries[0]["metadata"])).more_fields
        return described, [int(entry["steps"]) for entry in entries]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise DatasetError(f"the records of its episodes are damaged: {error!s:.200}") from error


def restore(
    record: str,
    episode_records: Sequence[str],
    rows: Mapping[str, np.ndarray],
    path: Path,
    ours: str,
    task: str | None,
    fields: Mapping[str, Sequence[np.ndarray]] = MappingProxyType({}),
) -> Dataset:
    """The dataset that was exported.

    Args:
        record: of the dataset.
        episode_records: of each episode.
        rows: by the names of Episode's arrays, those of all episodes one after the other, (N, …); without the
            observation after an episode's last action.
        path: where it was read from, for messages.
        ours: what to delete there, so that the rest is read as anybody's.
        task: what it must have been made for; None where that does not matter.
        fields: by name, the array of each episode, of all that were kept; or nothing, which leaves all of them out.

    Raises:
        DatasetError: the records are damaged, or its numbers were changed.
    """
    advice = f"Take the original again, or delete {ours}: then it is read like a file of anybody's."
    episodes, first = [], 0
    try:
        kept = json.loads(record)
        for number, text in enumerate(episode_records):
            entry = json.loads(text)
            one = {name: values[first : first + entry["steps"]] for name, values in rows.items()}
            last = np.array([entry["last_observation"]], dtype=np.float64)
            one["observations"] = np.concatenate((one["observations"], last))
            metadata = metadata_from(_flat(entry["metadata"]))
            if not fields:
                metadata = replace(metadata, more_fields=())
            more = {name: values[number] for name, values in fields.items()}
            ends = (entry["terminated"], entry["truncated"])
            episodes.append(Episode(**one, terminated=ends[0], truncated=ends[1], metadata=metadata, fields=more))
            first += entry["steps"]
        dataset = Dataset(tuple(episodes), kept["task"], kept["origin"], str(path))
        stored, found = kept["digest_with_fields" if fields else "digest"], dataset_digest(dataset.episodes)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:  # DatasetError is a ValueError
        raise DatasetError(f"{path}: what was stored with it to bring it back is damaged: {error} {advice}") from error
    if found != stored or first != len(rows["actions"]):
        raise DatasetError(
            f"{path}: the digest is {found}, but {stored} was stored with it: its numbers were changed. {advice}"
        )
    if task is not None:
        require_task(path, dataset.task, task)
    return dataset


def _flat(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """As `metadata_from` takes it: entries of mappings as a/b, lists as arrays."""
    flat: dict[str, Any] = {}
    for name, value in metadata.items():
        entries = (
            {f"{name}/{entry}": inner for entry, inner in value.items()} if isinstance(value, dict) else {name: value}
        )
        for path, entry in entries.items():
            if entry is not None:
                flat[path] = np.array(entry) if isinstance(entry, list) else entry
    return flat


def _plain(value: Any) -> Any:
    """Numbers of numpy as Python's."""
    return value.item()
