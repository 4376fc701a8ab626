"""Opens whatever holds demonstrations: datasets of ours, LeRobot and robomimic, bags, and what a task family reads."""

from pathlib import Path

from spirl_ros.arms.robot_configuration import RobotConfiguration
from spirl_ros.demonstrations.dataset import Dataset, require_task
from spirl_ros.demonstrations.formats.minari_storage import is_minari_id, minari_folder
from spirl_ros.demonstrations.formats.robomimic import is_robomimic, read_robomimic
from spirl_ros.demonstrations.layout import require_layout
from spirl_ros.demonstrations.storage import METADATA_FILE, is_ours, read_dataset
from spirl_ros.errors import DatasetError
from spirl_ros.recording.bag_metadata import find_bags
from spirl_ros.tasks.families import DEFAULT_FAMILY, family_names, family_of, split_task

BAG, MINARI, LEROBOT, ROBOMIMIC = "bag", "minari", "lerobot", "robomimic"
"""Formats that every task has; families have others. A dataset of ours is a folder in Minari's."""


def read_source(
    source: str,
    task: str | None = None,
    *,
    download: bool = False,
    only_simulated: bool = False,
    robot: RobotConfiguration | None = None,
    with_pictures: bool = True,
) -> Dataset:
    """Read demonstrations from anywhere.

    Args:
        source: a folder or a file, or an id in Minari's local storage.
        task: for a dataset of ours, the task that it must be of, None for any; for others the task to take them as,
            None for the one that it names, else the default one.
        download: fetch a Minari id that is not in the local storage.
        only_simulated: refuse a dataset of another robot than a simulated one.
        robot: the arm that demonstrations of LeRobot or robomimic are of; None takes their joints as they are.
        with_pictures: read those of a LeRobot dataset of ours, for which PyAV may be needed.

    Raises:
        ConfigError: there is no such task.
        DatasetError: no demonstrations, of another robot or task, or damaged; the message names the file.
    """
    path, layout = find_source(source, task, download=download)
    if layout == MINARI and is_ours(path):
        dataset = read_dataset(path)
    elif layout in (LEROBOT, ROBOMIMIC):
        dataset = _read_of_any_arm(path, layout, None if only_simulated else task, robot, with_pictures)
    else:
        return _read_simulated(path, layout, task)
    if only_simulated:  # before the task: what another robot does is no task here, so asking for it cannot help
        require_layout(
            family_of(dataset.task),
            dataset,
            f"There are simulators of: {', '.join(family_names())}. Choose a dataset of one, or try skills "
            "learned from this one on a stand-in for its arm: docs/real_arms.md.",
        )
    if task is not None:
        require_task(path, dataset.task, task)
    return dataset


def _read_of_any_arm(
    path: Path, layout: str, task: str | None, robot: RobotConfiguration | None, with_pictures: bool
) -> Dataset:
    if layout == ROBOMIMIC:
        return read_robomimic(path, task, robot)
    from spirl_ros.demonstrations.formats.lerobot_source import read_lerobot  # needs pyarrow, which others do not

    return read_lerobot(path, task, robot, with_pictures=with_pictures)


def _read_simulated(path: Path, layout: str, task: str | None) -> Dataset:
    family, _ = split_task(task or DEFAULT_FAMILY)
    if layout == BAG:
        from spirl_ros.demonstrations.asked_pictures import AskedPictures  # needs mcap, which others do not
        from spirl_ros.demonstrations.formats.bag_import import import_bags

        return import_bags([path], task, pictures=AskedPictures(may_lack=True))
    return family.formats()[layout].read(path, task)


def find_source(source: str, task: str | None = None, *, download: bool = False) -> tuple[Path, str]:
    """Where demonstrations are, and in which format: BAG, … or one of the task's family. As for `read_source`.

    Raises:
        DatasetError: there is nothing of that name, or nothing that can be read.
    """
    path = Path(source)
    if not path.exists() and is_minari_id(source):
        path = minari_folder(source, download=download)
    if find_bags(path):
        return path, BAG
    if path.is_file() and is_robomimic(path):
        return path, ROBOMIMIC
    if (path / "meta" / "info.json").is_file():
        return path, LEROBOT
    if not path.exists():
        raise DatasetError(
            f"there is no {source}. Expected a folder, an HDF5 file, or an id such as D4RL/kitchen/mixed-v2."
        )
    if (path / "data" / METADATA_FILE).is_file():  # Minari's local storage has the files one folder further down
        path = path / "data"
    if path.is_dir() and is_ours(path):
        return path, MINARI
    family = family_of(task or DEFAULT_FAMILY)
    for name, one in family.formats().items():
        if one.is_at(path):
            return path, name
    raise DatasetError(
        f"{source} is nothing that can be read: no dataset of ours, LeRobot, robomimic, bag, or of {family.name}."
    )
