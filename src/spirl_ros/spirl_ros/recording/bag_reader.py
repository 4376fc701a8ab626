"""Reads the records of a bag's MCAP file up to the last whole one, complete or not."""

import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mcap.exceptions import EndOfFile, McapError
from mcap.records import Channel, Header, Message, Metadata, Schema
from mcap.stream_reader import StreamReader

_PROFILE = "ros2"


class BagFile:
    """One pass through a file. What stands in it beside messages is complete once all messages were read."""

    def __init__(self, path: Path) -> None:
        """Prepare to read a file."""
        self.path = path
        self.profile: str | None = None
        """`ros2` in a bag; None when the file does not begin as an MCAP file does."""
        self.schemas: dict[int, Schema] = {}
        self.channels: dict[int, Channel] = {}
        self.metadata: list[Metadata] = []
        self.problem = ""
        """Why the rest of the file could not be read; empty when it is complete."""
        self._counts: Counter[int] = Counter()

    @property
    def is_bag(self) -> bool:
        """Does the file begin as a bag's MCAP file does."""
        return self.profile == _PROFILE

    @property
    def counts(self) -> dict[str, int]:
        """Messages per topic, of those read."""
        return {channel.topic: self._counts[number] for number, channel in self.channels.items()}

    def messages(self) -> Iterator[Message]:
        """Every whole message in the order of the file; checksums are compared. Raises OSError only."""
        with self.path.open("rb") as stream:
            reader = StreamReader(stream, validate_crcs=True, record_size_limit=self.path.stat().st_size)
            try:
                for record in reader.records:
                    if isinstance(record, Message):
                        if record.channel_id not in self.channels:
                            raise ValueError(f"a message belongs to channel {record.channel_id}, which is not declared")
                        self._counts[record.channel_id] += 1
                        yield record
                    else:
                        self._keep(record)
            except EndOfFile:
                self.problem = f"it ends in the middle of a record, after {self._counts.total()} messages"
            # What corrupt bytes lead to inside the reader: lz4 raises RuntimeError, decoding of texts ValueError.
            except (McapError, struct.error, RuntimeError, ValueError, KeyError, MemoryError, OverflowError) as error:
                self.problem = f"{error or type(error).__name__}, after {self._counts.total()} messages"

    def read_all(self) -> list[Message]:
        """All messages at once."""
        return list(self.messages())

    def _keep(self, record: object) -> None:
        if isinstance(record, Channel):
            self.channels[record.id] = record
        elif isinstance(record, Schema):
            self.schemas[record.id] = record
        elif isinstance(record, Metadata):
            self.metadata.append(record)
        elif isinstance(record, Header):
            self.profile = record.profile
