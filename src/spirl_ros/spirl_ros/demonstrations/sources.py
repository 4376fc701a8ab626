"""Opens whatever holds demonstrations: datasets of ours, D4RL, Minari, LeRobot and robomimic, and bags."""

from pathlib import Path

from spirl_ros.arms.robot_configuration import RobotConfiguration
from spirl_ros.demonstrations.d4rl import read_d4rl
from spirl_ros.demonstrations.dataset import Dataset, require_task
from spirl_ros.demonstrations.kitchen_layout import require_kitchen
from spirl_ros.demonstrations.minari_source import is_minari_id, minari_folder, read_minari
from spirl_ros.demonstrations.robomimic import is_robomimic, read_robomimic
from spirl_ros.demonstrations.storage import METADATA_FILE, is_ours, read_dataset
from spirl_ros.errors import DatasetError
from spirl_ros.recording.bag_metadata import find_bags
from spirl_ros.tasks.kitchen.subtasks import target_subtasks

BAG, D4RL, MINARI, LEROBOT, ROBOMIMIC = "bag", "d4rl", "minari", "lerobot", "robomimic"
"""Formats of demonstrations. A dataset of ours is a folder in Minari's."""


def read_source(
    source: str,
    task: str | None = None,
    *,
    download: bool = False,
    only_simulated: bool = False,
    robot: RobotConfiguration | None = None,
) -> Dataset:
    """Read demonstrations from anywhere.

    Args:
        source: a folder or a file, or an id in Minari's local storage.
        task: for a dataset of ours, the task that it must be of, None for any; for others the task to take them as,
            None for the one that it names, else `kitchen`.
        download: fetch a Minari id that is not in the local storage.
        only_simulated: refuse a dataset of another robot than the simulated kitchen's.
        robot: the arm that demonstrations of LeRobot or robomimic are of; None takes their joints as they are.

    Raises:
        ConfigError: there is no such task.
        DatasetError: no demonstrations, of another robot or task, or damaged; the message names the file.
    """
    path, layout = find_source(source, download=download)
    if layout == MINARI and is_ours(path):
        dataset = read_dataset(path)
    elif layout in (LEROBOT, ROBOMIMIC):
        dataset = _read_of_any_arm(path, layout, None if only_simulated else task, robot)
    else:
        target_subtasks(task or "kitchen")
        return _read_of_the_kitchen(path, layout, task)
    if only_simulated:  # before the task: what another robot does is no task here, so asking for it cannot help
        require_kitchen(
            dataset,
            "The simulator has only the kitchen. Choose a dataset of the kitchen, or try skills learned from this one on "
            "a stand-in for its arm: docs/real_arms.md.",
        )
    if task is not None:
        require_task(path, dataset.task, task)
    return dataset


def _read_of_any_arm(path: Path, layout: str, task: str | None, robot: RobotConfiguration | None) -> Dataset:
    if layout == ROBOMIMIC:
        return read_robomimic(path, task, robot)
    from spirl_ros.demonstrations.lerobot_source import read_lerobot  # needs pyarrow, which others do not

    return read_lerobot(path, task, robot)


def _read_of_the_kitchen(path: Path, layout: str, task: str | None) -> Dataset:
    if layout == BAG:
        from spirl_ros.demonstrations.bag_import import import_bags  # needs mcap, which others do not

        return import_bags([path], task)
    return read_d4rl(path, task) if layout == D4RL else read_minari(path, task or "kitchen")


def find_source(source: str, *, download: bool = False) -> tuple[Path, str]:
    """Where demonstrations are, and in which format: BAG, D4RL, … Arguments as for `read_source`.

    Raises:
        DatasetError: there is nothing of that name.
    """
    path = Path(source)
    if not path.exists() and is_minari_id(source):
        path = minari_folder(source, download=download)
    if find_bags(path):
        return path, BAG
    if path.is_file():
        return path, ROBOMIMIC if is_robomimic(path) else D4RL
    if (path / "meta" / "info.json").is_file():
        return path, LEROBOT
    if not path.exists():
        raise DatasetError(
            f"there is no {source}. Expected a folder, an HDF5 file, or an id such as D4RL/kitchen/mixed-v2."
        )
    if (path / "data" / METADATA_FILE).is_file():  # Minari's local storage has the files one folder further down
        path = path / "data"
    return path, MINARI
