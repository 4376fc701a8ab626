"""Where Minari keeps datasets on this machine."""

import re
from pathlib import Path

from spirl_ros.errors import DatasetError


def is_minari_id(source: str) -> bool:
    """Whether it looks like a Minari id, such as D4RL/kitchen/mixed-v2."""
    return re.fullmatch(r"[\w-]+(/[\w-]+)*-v\d+", source) is not None


def minari_folder(dataset_id: str, *, download: bool = False) -> Path:
    """Folder of a dataset in Minari's local storage, which is ~/.minari/datasets unless MINARI_DATASETS_PATH says else.

    Args:
        dataset_id: the dataset.
        download: let minari fetch it when it is not there.

    Raises:
        DatasetError: it is not there, or cannot be fetched.
        ModuleNotFoundError: the package minari is not installed.
    """
    import minari
    from minari.storage.datasets_root_dir import get_dataset_path

    folder = get_dataset_path(dataset_id) / "data"
    if not folder.is_dir() and download:
        try:
            minari.download_dataset(dataset_id)
        except Exception as error:  # whatever the network and the service make of it
            raise DatasetError(
                f"{dataset_id} cannot be downloaded: {error!r}. Check the id and the network."
            ) from error
    if not folder.is_dir():
        raise DatasetError(
            f"{dataset_id} is not in Minari's local storage: there is no folder {folder}. Add --download, or fetch it "
            f"with `minari download {dataset_id}`."
        )
    return folder
