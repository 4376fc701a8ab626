"""Turns recordings of a task family's simulator into a dataset."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from spirl_ros.demonstrations.asked_pictures import AS_USUAL, AskedPictures
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.episode import Episode
from spirl_ros.demonstrations.formats.bag_cameras import CameraRecording, describe
from spirl_ros.demonstrations.formats.bag_episodes import EpisodeReader, ReadEpisodes
from spirl_ros.demonstrations.formats.bag_messages import ROLES, BagMessages, read_bag_messages
from spirl_ros.demonstrations.layout import robot_metadata
from spirl_ros.demonstrations.picture_times import simulated_times
from spirl_ros.demonstrations.recorded_pictures import RecordedPictures
from spirl_ros.demonstrations.recordings import look_at_all
from spirl_ros.demonstrations.self_descriptions import DESCRIPTION_ROLES
from spirl_ros.errors import ConfigError, DatasetError
from spirl_ros.files.plain_yaml import printable, shortened
from spirl_ros.tasks.families import DEFAULT_FAMILY, family_of, split_task
from spirl_ros.tasks.task import RobotFacts


class _Read(NamedTuple):
    """What an import takes from a bag."""

    task: str | None
    episodes: list[Episode]
    joined_late: int


def import_bags(
    paths: Sequence[Path],
    task: str | None = None,
    keep_truncated: bool = False,
    only_successful: bool = False,
    skip_bad: bool = False,
    pictures: AskedPictures = AS_USUAL,
) -> Dataset:
    """Read bags of a task family's simulator.

    Args:
        paths: each a bag's folder, an .mcap file, or a folder in which bags are.
        task: name of the dataset's task, which says the family too; None is the one that was recorded.
        keep_truncated: take what is whole of truncated files.
        only_successful: leave out what was not finished as success.
        skip_bad: leave out recordings that cannot be used; the dataset's origin says why.
        pictures: which of those that the task observes.

    Raises:
        ConfigError: the task observes no such pictures.
        DatasetError: some of them cannot be used, without `skip_bad`, or none; the message names each.
    """

    def read(bag: Path) -> _Read | None:
        messages = read_bag_messages(bag, keep_truncated, ROLES | DESCRIPTION_ROLES)
        if only_successful and not messages.is_success:
            return None
        recorded = messages.details.get("task")
        robot = family_of(task or recorded or DEFAULT_FAMILY).robot
        found = EpisodeReader(robot_metadata(robot), robot.action_meaning).episodes(messages)
        return _Read(recorded, _with_pictures(messages, found, robot, pictures), found.left_out)

    recordings = look_at_all(paths, read, skip_bad)
    used = {bag: one for bag, one in recordings.read.items() if one is not None}
    failed = len(recordings.read) - len(used)
    episodes = [episode for one in used.values() for episode in one.episodes]
    require_some(episodes, failed)
    tasks: dict[str, Path] = {}
    for bag, one in used.items():
        if one.task:
            tasks.setdefault(one.task, bag)
    late = sum(one.joined_late for one in used.values())
    dropped = {"joined late": late, **({"not successful": failed} if failed else {})}
    return Dataset(tuple(episodes), task or _recorded_task(tasks), recordings.origin(dropped))


def _with_pictures(
    messages: BagMessages, found: ReadEpisodes, robot: RobotFacts, asked: AskedPictures
) -> list[Episode]:
    """The episodes with the pictures of the moments of their observations."""
    episodes = found.episodes
    for camera, described in asked.of_task(robot.observation.pictures, messages.topics):
        recording = CameraRecording(messages, camera)
        taken = simulated_times([shot.stamped for shot in recording.shots()])
        assert recording.field is not None
        if recording.field.shape != described.shape:
            raise DatasetError(
                f"{messages.path}: camera '{camera.name}' sends {describe(recording.field.shape)}, but the task "
                f"observes {describe(described.shape)}. Was it recorded in another version of the task?"
            )
        pictures = RecordedPictures(recording, taken, described)
        numbers = [pictures.numbers_at(moments_ns, asked.max_age_s) for moments_ns in found.moments_ns]
        episodes = pictures.of_episodes(episodes, numbers)
    return episodes


def require_some(episodes: Sequence[Episode], failed: int) -> None:
    """Refuse to make a dataset of nothing, when `failed` recordings were left out."""
    if not episodes and failed:
        raise DatasetError(
            f"none of {failed} recordings was finished as success. Import them without --only-successful."
        )
    if not episodes:
        raise DatasetError("no bags were given, expected at least one.")


def _recorded_task(tasks: Mapping[str, Path]) -> str:
    """The task of all recordings, of which those with another one are given; the default one when none says so."""
    if len(tasks) > 1:
        found = ", ".join(f"{shortened(task)} ({printable(bag.name)})" for task, bag in tasks.items())
        raise DatasetError(f"these are recordings of different tasks: {found}. Choose the dataset's with --task.")
    (task,) = tasks or (DEFAULT_FAMILY,)
    try:
        split_task(task)
    except ConfigError as error:
        raise DatasetError(
            f"{tasks[task]} was recorded for {shortened(task)}: {printable(str(error))} Choose one with --task."
        ) from error
    return task
