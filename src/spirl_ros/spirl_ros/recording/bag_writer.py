"""Writes one episode as a rosbag2 bag: a folder with one MCAP file, which appears complete or not at all."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mcap.well_known import MessageEncoding, SchemaEncoding
from mcap.writer import CompressionType, Writer

from spirl_ros.errors import RecordingError
from spirl_ros.files.durable_file import DurableFile, synchronise_folder
from spirl_ros.recording.bag_metadata import (
    BagContent,
    BagTopic,
    bag_metadata,
    metadata_text,
    qos_text,
    write_metadata,
)
from spirl_ros.recording.bag_reader import BagFile
from spirl_ros.recording.disk_guard import Reserve

EPISODE_METADATA = "spirl_episode"
"""Name of our metadata records in the file: what is known at the start, and what at the end."""

_CHUNK_BYTES = 256 * 1024
_RESERVE_FILE = ".reserve"


class RawMessage(NamedTuple):
    """A serialised message as it was received."""

    topic: int
    """Which of the bag's topics."""
    log_time_ns: int
    """When it was received [ns since 1970]."""
    publish_time_ns: int
    """When it was sent [ns since 1970], on the sender's clock."""
    sequence: int
    """The sender's count, 0 when unknown."""
    data: bytes
    """CDR, with its header."""


def unfinished_folder(folder: Path) -> Path:
    """Where a recorder writes a bag until it is complete."""
    return folder.with_name(f".{folder.name}.recording")


def file_name(folder: Path) -> str:
    """Name of the one file in a bag's folder, as rosbag2 names it."""
    return f"{folder.name}_0.mcap"


class BagWriter:
    """Writes messages below a temporary name; `finish` verifies, completes and renames.

    Not thread-safe. After an OSError of `flush` or `finish` it can be tried again, or the folder can be left to
    recovery.
    """

    def __init__(
        self, folder: Path, topics: Sequence[BagTopic], start: Mapping[str, str], unfinished: Path | None = None
    ) -> None:
        """Create the bag.

        Args:
            folder: what the bag will become.
            topics: everything that may be written.
            start: what is known of the episode at its start.
            unfinished: where it is until it is complete, in the same folder; None is `unfinished_folder(folder)`.

        Raises:
            OSError: the disk refuses.
        """
        self.folder = folder
        self.topics = tuple(topics)
        self.counts = [0] * len(self.topics)
        self._details = dict(start)
        self._first_ns = self._last_ns = 0
        self._unfinished = unfinished_folder(folder) if unfinished is None else unfinished
        self._unfinished.mkdir(parents=True)
        self._reserve = Reserve(self._unfinished / _RESERVE_FILE)
        self._file = DurableFile(self._unfinished / file_name(folder))
        self._writer = Writer(self._file, chunk_size=_CHUNK_BYTES, compression=CompressionType.LZ4)  # pyright: ignore[reportArgumentType]
        self._writer.start(profile="ros2", library="spirl_ros")
        self._writer.add_metadata(EPISODE_METADATA, self._details)
        self._channels = self._add_channels()
        self._writer.flush()
        synchronise_folder(self._unfinished)
        synchronise_folder(folder.parent)

    @property
    def bytes(self) -> int:
        """Size of the file on the disk [byte]."""
        return self._file.durable_bytes

    @property
    def messages(self) -> int:
        """Messages written, on the disk or not yet."""
        return sum(self.counts)

    def write(self, message: RawMessage) -> None:
        """Add a message; `flush` brings it to the disk."""
        self._writer.add_message(
            self._channels[message.topic],
            log_time=message.log_time_ns,
            data=message.data,
            publish_time=message.publish_time_ns,
            sequence=message.sequence & 0xFFFFFFFF,
        )
        first, last = self._first_ns or message.log_time_ns, self._last_ns
        self._first_ns, self._last_ns = min(first, message.log_time_ns), max(last, message.log_time_ns)
        self.counts[message.topic] += 1

    def flush(self) -> None:
        """Bring what was written to the disk. Raises OSError; then nothing of it is there, and it is kept."""
        self._writer.flush()

    def release_reserve(self) -> None:
        """Give the space free that is kept for ending on a full disk."""
        self._reserve.release()

    def finish(self, end: Mapping[str, str]) -> BagContent:
        """Complete the bag, compare what is in the file with what was written, and give the folder its name.

        Args:
            end: what is known of the episode at its end.

        Raises:
            OSError: the disk refuses; the folder stays as it is, for recovery.
            RecordingError: the file does not hold what was written.
        """
        self._details |= end
        self.release_reserve()
        content = BagContent(self.topics, tuple(self.counts), self._first_ns, self._last_ns)
        metadata = bag_metadata(content, file_name(self.folder), self._details)
        self._writer.flush()
        self._writer.add_metadata(EPISODE_METADATA, dict(end))
        self._writer.add_metadata("rosbag2", {"serialized_metadata": metadata_text(metadata)})
        self._writer.finish()
        self._file.flush()
        self._file.close()
        self._verify()
        write_metadata(self._unfinished, metadata)
        synchronise_folder(self._unfinished)
        self._unfinished.rename(self.folder)
        synchronise_folder(self.folder.parent)
        return content

    def abandon(self) -> None:
        """Close the file and leave the folder to recovery."""
        self._file.close()

    def _add_channels(self) -> list[int]:
        schemas: dict[str, int] = {}
        channels = []
        for topic in self.topics:
            if topic.type_name not in schemas:
                schemas[topic.type_name] = self._writer.register_schema(
                    topic.type_name, SchemaEncoding.ROS2, topic.definition.encode()
                )
            details = {"offered_qos_profiles": qos_text(topic.offered_qos), "topic_type_hash": topic.type_hash}
            channels.append(
                self._writer.register_channel(topic.name, MessageEncoding.CDR, schemas[topic.type_name], details)
            )
        return channels

    def _verify(self) -> None:
        path = self._unfinished / file_name(self.folder)
        found = BagFile(path)
        for _ in found.messages():
            pass
        counts = found.counts
        wrong = [
            f"{counts.get(topic.name, 0)} of {expected} on {topic.name}"
            for topic, expected in zip(self.topics, self.counts, strict=True)
            if counts.get(topic.name, 0) != expected
        ]
        if found.problem or wrong:
            raise RecordingError(
                f"{path} does not hold what was written: {found.problem or ', '.join(wrong)}. "
                "The disk may be faulty; the file stays, and recovery at the next start keeps what is whole in it."
            )
