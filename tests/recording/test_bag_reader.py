"""Every record of an MCAP file is read as it stands there, however it was compressed, in little memory."""

import re
import tracemalloc
import zlib
from pathlib import Path

import lz4.frame
import pytest
import zstandard
from mcap.opcode import Opcode

pytest.importorskip("spirl_msgs", reason="definitions of our messages come from the workspace: make setup")

from spirl_ros.recording.bag_reader import BagFile
from tests.recording.hostile_bags import channel, chunk, file_of, header, message, record, schema

RECORDS = (
    channel("/a", 1) + channel("/b", 2) + message(b"one", 1, 5) + message(b"two" * 1000, 2, 6) + message(b"", 1, 7)
)
FOUND = [(1, b"one", 5), (2, b"two" * 1000, 6), (1, b"", 7)]


def read(path: Path, content: bytes, **options) -> tuple[BagFile, list]:
    path.write_bytes(content)
    bag = BagFile(path)
    return bag, [(one.channel_id, one.data, one.log_time) for one in bag.messages(**options)]


@pytest.mark.parametrize(
    ("compression", "records"),
    [
        ("", RECORDS),
        ("zstd", zstandard.compress(RECORDS)),
        ("zstd", zstandard.ZstdCompressor(write_content_size=False).compress(RECORDS)),
        ("lz4", lz4.frame.compress(RECORDS)),
        ("lz4", lz4.frame.compress(RECORDS, store_size=False)),
    ],
)
def test_chunks_of_every_compression_are_read(tmp_path, compression: str, records: bytes) -> None:
    content = file_of(header(), schema(), chunk(records, len(RECORDS), compression, zlib.crc32(RECORDS)))
    bag, found = read(tmp_path / "a.mcap", content)
    assert (found, bag.problem, bag.counts) == (FOUND, "", {"/a": 2, "/b": 1})
    wrong = file_of(header(), schema(), chunk(records, len(RECORDS), compression, 1))
    bag, found = read(tmp_path / "a.mcap", wrong)
    assert found == [] and "checksum of a chunk" in bag.problem
    for size in (len(RECORDS) - 1, len(RECORDS) + 1):
        bag, found = read(tmp_path / "a.mcap", file_of(header(), schema(), chunk(records, size, compression)))
        assert found == [] and bag.problem
    damaged = file_of(header(), schema(), chunk(records[:-9], len(RECORDS), compression))
    bag, found = read(tmp_path / "a.mcap", damaged)
    assert found == [] and bag.problem


@pytest.mark.parametrize("compress", [zstandard.compress, lz4.frame.compress])
def test_file_that_was_compressed_as_a_whole_is_read_up_to_where_it_ends(tmp_path, compress) -> None:
    """rosbag2's compression mode FILE gave "not an MCAP file"."""
    content = compress(file_of(header(), schema(), RECORDS))
    bag, found = read(tmp_path / "a.mcap.zstd", content)
    assert (found, bag.problem, bag.profile) == (FOUND, "", "ros2")
    bag, _ = read(tmp_path / "a.mcap.zstd", content[:-20])
    assert bag.problem


def test_unknown_compression_is_told(tmp_path) -> None:
    bag, _ = read(tmp_path / "a.mcap", file_of(header(), chunk(RECORDS, len(RECORDS), "brotli")))
    assert "compressed with 'brotli', expected zstd or lz4" in bag.problem


def test_channels_of_one_topic_are_counted_together(tmp_path) -> None:
    """The last channel's count was taken for the topic's."""
    two = channel("/a", 1) + channel("/a", 2) + message(b"", 1) + message(b"", 1) + message(b"", 2)
    bag, _ = read(tmp_path / "a.mcap", file_of(header(), schema(), two))
    assert bag.counts == {"/a": 3}


def test_attachment_of_any_size_is_left_out_and_messages_of_other_topics_are_not_kept(tmp_path) -> None:
    """The whole file was in memory: 615 MB of a bag of 555 MB."""
    size = 5 * 2**20
    images = [chunk(part := message(bytes(size), 2), len(part), "", zlib.crc32(part))] * 20
    path = tmp_path / "a.mcap"
    attachment = record(Opcode.ATTACHMENT, bytes(150 * 2**20))
    path.write_bytes(
        file_of(header(), schema(), channel("/a", 1), channel("/b", 2), *images, message(b"one"), attachment)
    )
    del images, part, attachment
    tracemalloc.start()
    bag = BagFile(path)
    found = [one.data for one in bag.messages(lambda channel: channel.topic == "/a")]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found, bag.problem, bag.counts) == ([b"one"], "", {"/a": 1, "/b": 20})
    assert peak < 4 * size


@pytest.mark.parametrize(
    ("records", "told"),
    [
        (record(Opcode.CHANNEL, b"\2\0\1\0\xff\xff\xff\x7f"), "a Channel is shorter than it says"),
        (record(Opcode.MESSAGE, b"\1\0"), "unpack_from requires"),
        (
            chunk(record(Opcode.MESSAGE, bytes(22))[:-1], 30, ""),
            "a record of 22 bytes is longer than the chunk it is in",
        ),
        (message(b"", number=7), "belongs to channel 7, which is not declared"),
    ],
)
def test_records_that_are_shorter_than_they_say_are_told(tmp_path, records: bytes, told: str) -> None:
    bag, found = read(tmp_path / "a.mcap", file_of(header(), schema(), channel(), records))
    assert found == [] and re.search(told, bag.problem), bag.problem
