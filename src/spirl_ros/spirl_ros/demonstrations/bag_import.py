"""Turns recordings of the kitchen into a dataset."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from spirl_ros.control.velocity_action import VelocityAction
from spirl_ros.demonstrations.bag_episodes import EpisodeReader
from spirl_ros.demonstrations.bag_messages import ROLES, read_bag_messages
from spirl_ros.demonstrations.collection import kitchen_metadata
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.episode import Episode
from spirl_ros.demonstrations.self_descriptions import DESCRIPTION_ROLES
from spirl_ros.errors import ConfigError, DatasetError
from spirl_ros.recording.bag_metadata import find_bags
from spirl_ros.tasks.kitchen.scene import CONTROL_PERIOD_S, load_kitchen_scene
from spirl_ros.tasks.kitchen.subtasks import target_subtasks


def import_bags(
    paths: Sequence[Path],
    task: str | None = None,
    keep_truncated: bool = False,
    only_successful: bool = False,
) -> Dataset:
    """Read bags of the kitchen.

    Args:
        paths: each a bag's folder, an .mcap file, or a folder of bags.
        task: name of the dataset's task; None is the one that was recorded.
        keep_truncated: take what is whole of truncated files.
        only_successful: leave out what was not finished as success.

    Raises:
        DatasetError: one of them cannot be used; the message names it.
    """
    scene = load_kitchen_scene()
    meaning = VelocityAction(scene.position_lower, scene.position_upper, CONTROL_PERIOD_S)
    reader = EpisodeReader(kitchen_metadata(scene), meaning)
    bags = [bag for path in paths for bag in (find_bags(path) or [path])]
    episodes: list[Episode] = []
    tasks: dict[str, Path] = {}
    late = failed = 0
    for bag in bags:
        messages = read_bag_messages(bag, keep_truncated, ROLES | DESCRIPTION_ROLES)
        if only_successful and not messages.is_success:
            failed += 1
            continue
        found, incomplete = reader.episodes(messages)
        episodes += found
        late += incomplete
        if recorded := messages.details.get("task"):
            tasks.setdefault(recorded, bag)
    require_some(episodes, failed)
    names = [bag.name for bag in bags]
    dropped = {"joined late": late, **({"not successful": failed} if failed else {})}
    task = task or _recorded_task(tasks)
    return Dataset(tuple(episodes), task, {"imported_from": names, "dropped": dropped})


def require_some(episodes: Sequence[Episode], failed: int) -> None:
    """Refuse to make a dataset of nothing, when `failed` recordings were left out."""
    if not episodes and failed:
        raise DatasetError(
            f"none of {failed} recordings was finished as success. Import them without --only-successful."
        )
    if not episodes:
        raise DatasetError("no bags were given, expected at least one.")


def _recorded_task(tasks: Mapping[str, Path]) -> str:
    """The task of all recordings, of which those with another one are given; `kitchen` when none says so."""
    if len(tasks) > 1:
        found = ", ".join(f"'{task}' ({bag.name})" for task, bag in tasks.items())
        raise DatasetError(f"these are recordings of different tasks: {found}. Choose the dataset's with --task.")
    (task,) = tasks or ("kitchen",)
    try:
        target_subtasks(task)
    except ConfigError as error:
        raise DatasetError(f"{tasks[task]} was recorded for '{task}': {error} Choose one with --task.") from error
    return task
