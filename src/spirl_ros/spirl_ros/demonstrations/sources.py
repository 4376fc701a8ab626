"""Opens whatever holds demonstrations: a dataset of ours, a D4RL file, a Minari folder or id, bags."""

from pathlib import Path

from spirl_ros.demonstrations.d4rl import read_d4rl
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.minari_source import is_minari_id, minari_folder, read_minari
from spirl_ros.demonstrations.storage import METADATA_FILE, is_ours, read_dataset
from spirl_ros.errors import DatasetError
from spirl_ros.recording.bag_metadata import find_bags
from spirl_ros.tasks.kitchen.subtasks import target_subtasks


def read_source(source: str, task: str | None = None, *, download: bool = False) -> Dataset:
    """Read demonstrations from anywhere.

    Args:
        source: a folder or a file, or an id in Minari's local storage.
        task: for a dataset of ours, the task that it must be of, None for any; for others the task to take them as,
            None for the one that a recording names, else `kitchen`.
        download: fetch a Minari id that is not in the local storage.

    Raises:
        ConfigError: there is no such task.
        DatasetError: no demonstrations, of another task, or damaged; the message names the file.
    """
    target_subtasks(task or "kitchen")
    path = Path(source)
    if not path.exists() and is_minari_id(source):
        path = minari_folder(source, download=download)
    if find_bags(path):
        from spirl_ros.demonstrations.bag_import import import_bags  # needs mcap, which others do not

        return import_bags([path], task)
    if path.is_file():
        return read_d4rl(path, task or "kitchen")
    if (path / "data" / METADATA_FILE).is_file():  # Minari's local storage has the files one folder further down
        path = path / "data"
    if not path.exists():
        raise DatasetError(
            f"there is no {source}. Expected a folder, an HDF5 file, or an id such as D4RL/kitchen/mixed-v2."
        )
    if (path / METADATA_FILE).is_file() and not is_ours(path):
        return read_minari(path, task or "kitchen")
    return read_dataset(path, task)
