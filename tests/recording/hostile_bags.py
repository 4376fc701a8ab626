"""MCAP files that a few bytes make large, endless or deep, and what is needed to make one by hand."""

import os
import struct
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import lz4.frame
import zstandard
from mcap.opcode import Opcode

from spirl_ros.recording.message_definitions import message_definition

MAGIC = b"\x89MCAP0\r\n"
TYPE = "sensor_msgs/msg/JointState"


def record(opcode: int, content: bytes) -> bytes:
    return struct.pack("<BQ", opcode, len(content)) + content


def text(value: str | bytes) -> bytes:
    data = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<I", len(data)) + data


def header(profile: str = "ros2") -> bytes:
    return record(Opcode.HEADER, text(profile) + text("by hand"))


def schema(definition: str | None = None, encoding: str = "ros2msg", name: str = TYPE) -> bytes:
    """Number 1; by default the one of joint states that is installed."""
    definition = message_definition(TYPE).text if definition is None else definition
    return record(Opcode.SCHEMA, struct.pack("<H", 1) + text(name) + text(encoding) + text(definition))


def channel(topic: str = "/joint_states", number: int = 1) -> bytes:
    return record(Opcode.CHANNEL, struct.pack("<HH", number, 1) + text(topic) + text("cdr") + text(b""))


def message(data: bytes, number: int = 1, time_ns: int = 1) -> bytes:
    return record(Opcode.MESSAGE, struct.pack("<HIQQ", number, 0, time_ns, time_ns) + data)


def chunk(records: bytes, size: int, compression: str, crc: int = 0) -> bytes:
    """Of records that are compressed already, and claim to become `size` bytes."""
    times = struct.pack("<QQQI", 0, 0, size, crc)
    return record(Opcode.CHUNK, times + text(compression) + struct.pack("<Q", len(records)) + records)


def file_of(*records: bytes) -> bytes:
    end = record(Opcode.DATA_END, bytes(4)) + record(Opcode.FOOTER, bytes(20))
    return MAGIC + b"".join(records) + end + MAGIC


def joint_state(names: Iterable[str] = ("shoulder_pan_joint",), position: bytes = bytes(8), time_ns: int = 1) -> bytes:
    """CDR of a joint state; `position` are doubles."""
    content = bytearray(struct.pack("<iI", time_ns // 10**9, time_ns % 10**9) + struct.pack("<I", 1) + b"\0")
    names = list(names)
    content += bytes(-len(content) % 4) + struct.pack("<I", len(names))
    for name in names:
        content += bytes(-len(content) % 4) + text(name.encode() + b"\0")
    content += bytes(-len(content) % 4) + struct.pack("<I", len(position) // 8)
    content += bytes(-len(content) % 8) + position
    return b"\0\1\0\0" + bytes(content) + bytes(-len(content) % 4) + bytes(8)


def zeros_as_zstd(size: int, begin: bytes = b"", says_size: bool = True, end: bytes = b"") -> bytes:
    """A frame of some bytes, zeros and some more, `size` bytes in all."""
    compressor = zstandard.ZstdCompressor().compressobj(size=size if says_size else -1)
    parts, left = [compressor.compress(begin)], size - len(begin) - len(end)
    zeros = bytes(2**20)
    while left:
        parts.append(compressor.compress(zeros[: min(left, len(zeros))]))
        left -= min(left, len(zeros))
    return b"".join((*parts, compressor.compress(end), compressor.flush()))


def zeros_as_lz4(size: int, begin: bytes) -> bytes:
    """The same, not saying how many they are."""
    compressor = lz4.frame.LZ4FrameCompressor(block_size=lz4.frame.BLOCKSIZE_MAX4MB)
    parts = [compressor.begin(), compressor.compress(begin)]
    for _ in range((size - len(begin)) // 2**20):
        parts.append(compressor.compress(bytes(2**20)))
    return b"".join((*parts, compressor.flush()))


HUGE = 2**30


def _zstd_chunk(claims: int) -> bytes:
    begin = struct.pack("<BQHIQQ", Opcode.MESSAGE, HUGE - 9, 1, 0, 1, 1)
    return file_of(header(), schema(), channel(), chunk(zeros_as_zstd(HUGE, begin), claims, "zstd"))


def _many_chunks() -> bytes:
    size = 100 * 2**20
    begin = struct.pack("<BQHIQQ", Opcode.MESSAGE, size - 9, 1, 0, 1, 1)
    one = chunk(zeros_as_zstd(size, begin), size, "zstd")
    return file_of(header(), schema(), channel("/camera"), *[one] * 80)


def _lz4_chunk(claims: int) -> bytes:
    begin = struct.pack("<BQHIQQ", Opcode.MESSAGE, 2**30 - 9, 1, 0, 1, 1)
    return file_of(header(), schema(), channel(), chunk(zeros_as_lz4(2**30, begin), claims, "lz4"))


def _many_small_messages() -> bytes:
    flood = (channel("/a", 1) + message(b"") * 3_000_000)[: 100 * 2**20]
    return file_of(header(), schema(), chunk(zstandard.compress(flood), len(flood), "zstd", zlib.crc32(flood)))


def _many_joint_states() -> bytes:
    flood = channel() + b"".join(message(joint_state(time_ns=n), time_ns=n) for n in range(1, 2000)) * 150
    return file_of(header(), schema(), chunk(zstandard.compress(flood), len(flood), "zstd"))


def _large_joint_states() -> bytes:
    flood = channel() + message(joint_state([""] * 20_000)) * 300
    return file_of(header(), schema(), chunk(zstandard.compress(flood), len(flood), "zstd"))


def _with_definition(definition: str) -> bytes:
    return file_of(header(), schema(definition), channel(), message(joint_state()))


def _many_entries() -> bytes:
    entries = b"".join(struct.pack("<I8sI", 8, b"%8d" % number, 0) for number in range(2_000_000))
    return zstandard.compress(file_of(header(), record(Opcode.METADATA, text("spirl_episode") + text(entries))))


NESTED = "".join(f"Level{n + 1} a\nLevel{n + 1} b\n{'=' * 80}\nMSG: sensor_msgs/Level{n + 1}\n" for n in range(60))

MAKERS: dict[str, tuple[Callable[[], bytes], str]] = {
    "zstd_chunk.mcap": (lambda: _zstd_chunk(1000), "a chunk has 1073741824 bytes, expected 1000"),
    "zstd_chunk_that_says_so.mcap": (lambda: _zstd_chunk(HUGE), "a chunk has 1073741824 bytes, expected at most"),
    "many_chunks.mcap": (_many_chunks, "becomes far larger"),
    "lz4_chunk.mcap": (lambda: _lz4_chunk(10**8), "a chunk has 100000001 bytes or more"),
    "empty_records.mcap.zstd": (
        lambda: zstandard.compress(MAGIC + header() + record(0x90, b"") * 10_000_000),
        "far more records",
    ),
    "one_record.mcap.zstd": (
        lambda: zeros_as_zstd(HUGE, MAGIC + header() + struct.pack("<BQ", Opcode.MESSAGE, HUGE - 100)),
        "a record has 1073741724 bytes, expected at most",
    ),
    "unknown_record.mcap.zstd": (
        lambda: zeros_as_zstd(HUGE, MAGIC + header() + struct.pack("<BQ", 0x90, HUGE - 100)),
        "becomes far larger",
    ),
    "record_of_no_length.mcap": (
        lambda: MAGIC + header() + struct.pack("<BQ", Opcode.MESSAGE, 2**63 - 1),
        "a record has",
    ),
    "small_messages.mcap": (_many_small_messages, "far more records"),
    "joint_states.mcap": (_many_joint_states, "far more records"),
    "large_joint_states.mcap": (_large_joint_states, "far more messages on joint_states"),
    "huge_joint_state.mcap": (
        lambda: file_of(header(), schema(), channel(), message(joint_state([""] * 10**6))),
        "more than 262144 bytes",
    ),
    "compressed_message.mcap": (
        lambda: file_of(header(), schema(), channel(), message(zeros_as_zstd(HUGE))),
        "more than 262144 bytes",
    ),
    "recursive_definition.mcap": (
        lambda: _with_definition("JointState inside\n"),
        "message 0 on joint_states does not fit its definition: maximum recursion depth",
    ),
    "circular_definition.mcap": (
        lambda: _with_definition(f"A a\n{'=' * 80}\nMSG: sensor_msgs/A\nB b\n{'=' * 80}\nMSG: sensor_msgs/B\nA a\n"),
        "maximum recursion depth",
    ),
    "doubling_definition.mcap": (lambda: _with_definition(NESTED + "bool end\n"), "does not fit its definition"),
    "long_definition.mcap": (
        lambda: _with_definition("".join(f"bool a{n}\n" for n in range(100_000))),
        "the definition of sensor_msgs/msg/JointState has 1188890 bytes",
    ),
    "many_entries.mcap.zstd": (_many_entries, "schemas, channels and metadata have more than"),
    "names_with_escapes.mcap": (
        lambda: file_of(header(), schema(), channel(), message(joint_state(["\x1b[2J\nerror: all is well"] * 5000))),
        r"lacks .* it has \\x1b\[2J error: all is well, .*…",
    ),
    "type_with_escapes.mcap": (
        lambda: file_of(header(), schema(name="\x1b[2J\nall is well"), channel("/\x1b[31m/joint_states"), message(b"")),
        r"/\\x1b\[31m/joint_states is a \\x1b\[2J all is well, expected",
    ),
}
"""How each file is made, and a pattern of what is said of it."""


def make_hostile_bags(folder: Path) -> dict[str, str]:
    """Write all of them, and folders whose metadata.yaml is the hostile part; the pattern by path."""
    patterns = {}
    for name, (make, pattern) in MAKERS.items():
        (folder / name).write_bytes(make())
        patterns[str(folder / name)] = pattern
    with (folder / "zeros.mcap").open("wb") as file:
        file.write(MAGIC + header())
        file.truncate(50 * 2**30)  # of which the disk holds one block
    patterns[str(folder / "zeros.mcap")] = "zeros stand where a record should"
    begin = "rosbag2_bagfile_information:\n  storage_identifier: "
    aliases = "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n" for n in range(12))
    merges = "".join(f"m{n + 1}: &m{n + 1}\n  <<: [{', '.join([f'*m{n}'] * 9)}]\n" for n in range(12))
    for name, metadata, pattern in (
        (
            "aliases",
            f"a0: &a0 x\n{aliases}{begin}mcap\n  relative_file_paths: *a12\n",
            "a list or mapping stands where",
        ),
        ("aliased_storage", f"a0: &a0 x\n{aliases}{begin}*a12\n  relative_file_paths: [a]\n", "a list or mapping"),
        ("merges", f"m0: &m0\n  k: v\n{merges}{begin}mcap\n  relative_file_paths: [a.mcap]\n", "a.mcap cannot be read"),
        ("deep", "[" * 500_000, "nested more than 50 deep"),
        ("long", "a: 1\n" * 1_000_000, "more than 2000000 bytes"),
        ("many", begin + "mcap\n  relative_file_paths: [" + "a, " * 300_000 + "a]\n", "relative_file_paths is "),
        ("number", f"{begin}mcap\n  relative_file_paths: [{'1:' * 500_000}1]\n", "cannot be read"),
        ("storage", f'{begin}"{"x" * 100_000}"\n  relative_file_paths: [a]\n', "is stored as x"),
        ("pipe", f"{begin}mcap\n  relative_file_paths: [pipe]\n", "cannot be read: it is missing, or no regular file"),
        (
            "device",
            f"{begin}mcap\n  relative_file_paths: [/dev/zero]\n",
            "cannot be read: it is missing, or no regular file",
        ),
    ):
        bag = folder / name
        bag.mkdir()
        (bag / "metadata.yaml").write_text(metadata)
        patterns[str(bag)] = pattern
    os.mkfifo(folder / "pipe" / "pipe")
    return patterns
