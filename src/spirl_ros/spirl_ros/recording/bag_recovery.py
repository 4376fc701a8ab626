"""Repairs what a crash left: a bag under a temporary name becomes a complete one, or is set aside. Nothing is lost."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spirl_ros.errors import RecordingError
from spirl_ros.files.plain_yaml import shortened
from spirl_ros.recording.bag_metadata import DAMAGED, BagTopic, qos_from_text
from spirl_ros.recording.bag_reader import BagFile
from spirl_ros.recording.bag_writer import EPISODE_METADATA, BagWriter, RawMessage, file_name

_FLUSH_EVERY = 10_000
"""Messages held in memory at most while a bag is copied."""


@dataclass(frozen=True)
class Recovery:
    """What became of one unfinished bag."""

    folder: Path
    """Where it is now."""
    messages: int
    """Messages in it; 0 when it could not be repaired."""
    problem: str
    """What was wrong with it, or why it could not be repaired."""
    is_repaired: bool


def recover(parent: Path) -> Iterator[Recovery]:
    """Repair every unfinished bag in a folder. Only while no recorder writes there.

    A repaired copy takes the bag's name once it is verified, and only then is the original removed. A bag of which
    nothing can be read is renamed to NAME.damaged. Without room for the copy the original stays for the next start.
    """
    for interrupted_copy in parent.glob(".*.repair"):
        shutil.rmtree(interrupted_copy)  # The original is still there.
    for unfinished in sorted(parent.glob(".*.recording")):
        folder = unfinished.with_name(unfinished.name[1:].removesuffix(".recording"))
        try:
            yield _recover(unfinished, folder)
        except (OSError, RecordingError) as error:
            shutil.rmtree(_copy_folder(folder), ignore_errors=True)
            yield Recovery(unfinished, 0, f"{error}. It stays as it is, for the next start.", False)


def _recover(unfinished: Path, folder: Path) -> Recovery:
    path = unfinished / file_name(folder)
    survey = _survey(path)
    whole = sum(survey.counts.values())
    if not whole or not survey.is_bag:
        aside = _free_name(folder.with_name(f"{folder.name}{DAMAGED}"))
        unfinished.rename(aside)
        return Recovery(aside, 0, survey.problem or "it holds no message", False)
    problem = survey.problem or "it is whole, but the recorder ended before it had its name"
    if folder.exists() and _survey(folder / file_name(folder)).counts == survey.counts:
        shutil.rmtree(unfinished)  # Repaired before, but that was interrupted right before this line.
        return Recovery(folder, whole, problem, True)
    target = _free_name(folder)
    _copy(path, survey, target, problem)
    shutil.rmtree(unfinished)
    return Recovery(target, whole, problem, True)


def _survey(path: Path) -> BagFile:
    """Read a file as far as it is whole, for what is in it."""
    bag = BagFile(path)
    try:
        for _ in bag.messages():
            pass
    except FileNotFoundError:
        bag.problem = f"{path.name} is missing"
    return bag


def _copy(path: Path, survey: BagFile, target: Path, problem: str) -> None:
    """Write what is whole in a file as a complete bag."""
    numbers = list(survey.channels)
    topics = [_topic(survey, number) for number in numbers]
    details = [record.metadata for record in survey.metadata if record.name == EPISODE_METADATA]
    writer = BagWriter(target, topics, details[0] if details else {}, unfinished=_copy_folder(target))
    source = BagFile(path)
    try:
        for message in source.messages():
            topic = numbers.index(message.channel_id)
            writer.write(RawMessage(topic, message.log_time, message.publish_time, message.sequence, message.data))
            if writer.messages % _FLUSH_EVERY == 0:
                writer.flush()
        ends = {name: value for later in details[1:] for name, value in later.items()}
        writer.finish({**ends, "recovered": problem})
    except (OSError, RecordingError):
        writer.abandon()
        raise


def _topic(survey: BagFile, number: int) -> BagTopic:
    channel = survey.channels[number]
    schema = survey.schemas.get(channel.schema_id)
    if schema is None:
        raise RecordingError(f"{survey.path} has no definition of the messages on {shortened(channel.topic)}")
    return BagTopic(
        channel.topic,
        schema.name,
        schema.data.decode(errors="replace"),
        channel.metadata.get("topic_type_hash", ""),
        qos_from_text(channel.metadata.get("offered_qos_profiles", "")),
    )


def _copy_folder(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.repair")


def _free_name(folder: Path) -> Path:
    """The folder itself, or with a number behind it when there is one of that name."""
    candidate, number = folder, 1
    while candidate.exists():
        number += 1
        candidate = folder.with_name(f"{folder.name}-{number}")
    return candidate
