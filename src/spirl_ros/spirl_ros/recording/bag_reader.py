"""Reads the records of a bag's MCAP file up to the last whole one, complete or not.

What a file claims is not believed: a few bytes can stand for gigabytes. At most one chunk is in memory at a time, and
how much a file may become when it is decompressed depends on its size.
"""

import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from mcap.data_stream import ReadDataStream
from mcap.exceptions import EndOfFile, McapError
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, DataEnd, Header, Message, Metadata, Schema
from mcap.stream_reader import read_magic

from spirl_ros.recording.bag_compression import DECOMPRESSION_ERRORS, decompress_chunk, open_bag_file

_PROFILES = ("ros2", "")
"""rosbag2's, and that of writers which say nothing."""

_LARGEST_RECORD_BYTES = 128 * 2**20
"""A chunk, decompressed too, or a message. rosbag2's chunks have 4 MiB at most unless one message has more."""

_LARGEST_DESCRIPTION_BYTES = 16 * 2**20
"""All schemas, channels and metadata. Those of a robot with 1,000 topics have less than half of it."""

_BYTES, _BYTES_PER_BYTE = 256 * 2**20, 400
"""A file may become so many bytes, and so many more for each of its own. 40 joints at rest are 170 times as large as
what zstd makes of them, applied to chunks and then to the whole file."""

_RECORDS, _BYTES_PER_RECORD = 40_000, 8
"""It may have so many records, and one more for so many of its bytes: those joint states, compressed twice, take 12
each."""

_READ = frozenset(
    (Opcode.HEADER, Opcode.SCHEMA, Opcode.CHANNEL, Opcode.MESSAGE, Opcode.METADATA, Opcode.DATA_END, Opcode.FOOTER)
)
_DESCRIPTIONS: dict[int, Any] = {Opcode.SCHEMA: Schema, Opcode.CHANNEL: Channel, Opcode.METADATA: Metadata}

_RECORD_HEADER = struct.Struct("<BQ")
"""Opcode and length."""

_MESSAGE_HEADER = struct.Struct("<HIQQ")
"""Channel, sequence, log time and publish time."""

_SKIPPED_AT_ONCE_BYTES = 2**20


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
        self._wanted: Callable[[Channel], bool] = lambda channel: True
        self._bytes_left = self._records_left = 0
        self._description_left = _LARGEST_DESCRIPTION_BYTES

    @property
    def is_bag(self) -> bool:
        """Whether the file begins as a bag's MCAP file does."""
        return self.profile in _PROFILES

    @property
    def counts(self) -> dict[str, int]:
        """Messages per topic, of those read."""
        counts = {channel.topic: 0 for channel in self.channels.values()}
        for number, channel in self.channels.items():
            counts[channel.topic] += self._counts[number]
        return counts

    @property
    def counts_by_channel(self) -> list[int]:
        """Messages on each of `channels`, of those read."""
        return [self._counts[number] for number in self.channels]

    def messages(self, wanted: Callable[[Channel], bool] = lambda channel: True) -> Iterator[Message]:
        """Every whole message on a wanted channel in the order of the file; the others are counted alone.

        Checksums are compared. Raises OSError only.
        """
        self._wanted = wanted
        size = self.path.stat().st_size
        self._bytes_left = _BYTES + _BYTES_PER_BYTE * size
        self._records_left = _RECORDS + size // _BYTES_PER_RECORD
        try:
            with open_bag_file(self.path) as stream:
                yield from self._messages(stream)
        except EndOfFile:
            self.problem = f"it ends in the middle of a record, after {self._counts.total()} messages"
        # What corrupt bytes lead to inside the libraries; decoding of texts raises ValueError.
        except (
            *(McapError, struct.error, ValueError, KeyError, MemoryError, OverflowError),
            *DECOMPRESSION_ERRORS,
        ) as error:
            self.problem = f"{error or type(error).__name__}, after {self._counts.total()} messages"

    def read_all(self) -> list[Message]:
        """All messages at once."""
        return list(self.messages())

    def _messages(self, file: IO[bytes]) -> Iterator[Message]:
        stream = ReadDataStream(file, calculate_crc=True)
        read_magic(stream)
        opcode = None
        while opcode != Opcode.FOOTER:
            checksum = stream.checksum()
            opcode, length = stream.read1(), stream.read8()
            self._count_record(opcode)
            if opcode == Opcode.CHUNK:
                yield from self._chunk(stream, length)
                continue
            if opcode not in _READ:
                self._skip(stream, length)
                continue
            content = self._read(stream, length)
            if opcode == Opcode.MESSAGE:
                yield from self._message(content)
            elif opcode == Opcode.HEADER:
                self.profile = _parsed(Header, content).profile
            elif opcode in _DESCRIPTIONS:
                self._describe(opcode, content)
            elif opcode == Opcode.DATA_END and _parsed(DataEnd, content).data_section_crc not in (0, checksum):
                raise ValueError("the checksum of its data section does not match")
        read_magic(stream)

    def _chunk(self, stream: ReadDataStream, length: int) -> Iterator[Message]:
        for opcode, content in _records(self._decompressed(stream, length)):
            self._count_record(opcode)
            if opcode == Opcode.MESSAGE:
                yield from self._message(content)
            elif opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
                self._describe(opcode, bytes(content))

    def _decompressed(self, stream: ReadDataStream, length: int) -> bytes:
        """The records in a chunk, whose checksum is compared."""
        chunk = _parsed(Chunk, self._read(stream, length))
        size = chunk.uncompressed_size
        if size > _LARGEST_RECORD_BYTES:
            raise ValueError(
                f"a chunk has {size} bytes, expected at most {_LARGEST_RECORD_BYTES}. Write it with smaller chunks"
            )
        self._count_bytes(size)
        records = decompress_chunk(chunk.data, chunk.compression, size)
        if chunk.uncompressed_crc not in (0, zlib.crc32(records)):
            raise ValueError("the checksum of a chunk does not match")
        return records

    def _read(self, stream: ReadDataStream, length: int) -> bytes:
        if length > _LARGEST_RECORD_BYTES:
            raise ValueError(f"a record has {length} bytes, expected at most {_LARGEST_RECORD_BYTES}")
        content = stream.read(length)
        if len(content) < length:
            raise EndOfFile
        self._count_bytes(length)
        return content

    def _skip(self, stream: ReadDataStream, length: int) -> None:
        """Leave out a record of any size, such as an attachment, but for the checksum."""
        while length:
            skipped = len(stream.read(min(length, _SKIPPED_AT_ONCE_BYTES)))
            self._count_bytes(skipped)
            length -= skipped

    def _count_bytes(self, number: int) -> None:
        self._bytes_left -= number
        if self._bytes_left < 0:
            raise ValueError("it becomes far larger when it is decompressed than a recording of its size does")

    def _count_record(self, opcode: int) -> None:
        if opcode == 0:
            raise ValueError("zeros stand where a record should")
        self._records_left -= 1
        if self._records_left < 0:
            raise ValueError("it has far more records than a recording of its size has")

    def _message(self, content: bytes | memoryview) -> Iterator[Message]:
        number, sequence, log_time, publish_time = _MESSAGE_HEADER.unpack_from(content)
        channel = self.channels.get(number)
        if channel is None:
            raise ValueError(f"a message belongs to channel {number}, which is not declared")
        self._counts[number] += 1
        if self._wanted(channel):
            yield Message(number, log_time, bytes(content[_MESSAGE_HEADER.size :]), publish_time, sequence)

    def _describe(self, opcode: int, content: bytes) -> None:
        """Keep a schema, a channel or metadata; the first two are repeated, word for word, at the end of a file."""
        known = {Opcode.SCHEMA: self.schemas, Opcode.CHANNEL: self.channels}.get(Opcode(opcode))
        if known is not None and int.from_bytes(content[:2], "little") in known:
            return
        self._description_left -= len(content)
        if self._description_left < 0:
            raise ValueError(f"schemas, channels and metadata have more than {_LARGEST_DESCRIPTION_BYTES} bytes")
        record = _parsed(_DESCRIPTIONS[opcode], content)
        if known is None:
            self.metadata.append(record)
        else:
            known[record.id] = record


def _records(chunk: bytes) -> Iterator[tuple[int, memoryview]]:
    """Opcode and content of every record in a chunk."""
    view, offset, end = memoryview(chunk), 0, len(chunk)
    while offset < end:
        opcode, length = _RECORD_HEADER.unpack_from(view, offset)
        offset += _RECORD_HEADER.size
        if length > end - offset:
            raise ValueError(f"a record of {length} bytes is longer than the chunk it is in")
        yield opcode, view[offset : offset + length]
        offset += length


def _parsed(kind: Any, content: bytes) -> Any:
    try:
        return kind.read(ReadDataStream(BytesIO(content)))
    except EndOfFile:
        raise ValueError(f"a {kind.__name__} is shorter than it says") from None
