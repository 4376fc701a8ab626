"""Turns recordings of the kitchen into a dataset."""

from collections.abc import Sequence
from pathlib import Path

from spirl_ros.control.velocity_action import VelocityAction
from spirl_ros.demonstrations.bag_episodes import EpisodeReader
from spirl_ros.demonstrations.bag_messages import read_bag_messages
from spirl_ros.demonstrations.collection import kitchen_metadata
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.episode import Episode
from spirl_ros.errors import DatasetError
from spirl_ros.recording.bag_metadata import find_bags
from spirl_ros.tasks.kitchen.scene import CONTROL_PERIOD_S, load_kitchen_scene


def import_bags(paths: Sequence[Path], task: str = "kitchen", keep_truncated: bool = False) -> Dataset:
    """Read bags of the kitchen.

    Args:
        paths: each a bag's folder, an .mcap file, or a folder of bags.
        task: name of the dataset's task.
        keep_truncated: take what is whole of truncated files.

    Raises:
        DatasetError: one of them cannot be used; the message names it.
    """
    scene = load_kitchen_scene()
    meaning = VelocityAction(scene.position_lower, scene.position_upper, CONTROL_PERIOD_S)
    reader = EpisodeReader(kitchen_metadata(scene), meaning)
    bags = [bag for path in paths for bag in (find_bags(path) or [path])]
    episodes: list[Episode] = []
    left_out = 0
    for bag in bags:
        found, incomplete = reader.episodes(read_bag_messages(bag, keep_truncated))
        episodes += found
        left_out += incomplete
    if not episodes:
        raise DatasetError("no bags were given, expected at least one.")
    names = [bag.name for bag in bags]
    return Dataset(tuple(episodes), task, {"imported_from": names, "dropped": {"joined late": left_out}})
