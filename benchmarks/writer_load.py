"""Writes messages to a bag at a fixed rate until it is killed: with our writer, or with rosbags'.

Run by `spirl bench recorder` as `python -m benchmarks.writer_load KIND FOLDER TOPICS RATE_HZ`.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from spirl_ros.recording.bag_metadata import BagTopic
from spirl_ros.recording.bag_writer import BagWriter, RawMessage
from spirl_ros.recording.episode_recorder import EpisodeRecorder, EpisodeRecorderConfig
from spirl_ros.recording.recording_folder import RecordingFolder

MESSAGE = b"\x00\x01\x00\x00" + (300).to_bytes(4, "little") + bytes(300)
"""A std_msgs/msg/String as large as a joint state of nine joints."""

_BATCH_S = 0.05
"""How often the recorder's node hands messages on."""

Write = Callable[[list[tuple[int, int]]], None]
"""Takes the topic and time [ns] of each message."""


def our_writer(folder: Path, topics: int) -> Write:
    """The recorder's own, without ROS."""
    recorder = EpisodeRecorder(RecordingFolder(folder), EpisodeRecorderConfig(min_free_bytes=0))
    recorder.start(_topics(topics), {}).result()

    def write(messages: list[tuple[int, int]]) -> None:
        recorder.write([RawMessage(topic, time_ns, time_ns, 0, MESSAGE) for topic, time_ns in messages])

    return write


def our_bag(folder: Path, topics: int) -> Write:
    """The bag alone, flushed after every call."""
    bag = BagWriter(folder / "bag", _topics(topics), {})

    def write(messages: list[tuple[int, int]]) -> None:
        for topic, time_ns in messages:
            bag.write(RawMessage(topic, time_ns, time_ns, 0, MESSAGE))
        bag.flush()

    return write


def rosbags_writer(folder: Path, topics: int) -> Write:
    """The one of rosbags, as its documentation uses it, with MCAP storage."""
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    writer = Writer(folder / "bag", version=9, storage_plugin=StoragePlugin.MCAP)
    writer.open()
    store = get_typestore(Stores.ROS2_JAZZY)
    connections = [writer.add_connection(f"/topic_{i}", "std_msgs/msg/String", typestore=store) for i in range(topics)]

    def write(messages: list[tuple[int, int]]) -> None:
        for topic, time_ns in messages:
            writer.write(connections[topic], time_ns, MESSAGE)

    return write


def _topics(count: int) -> list[BagTopic]:
    return [BagTopic(f"/topic_{i}", "std_msgs/msg/String", "string data\n") for i in range(count)]


def main(kind: str, folder: str, topics: int, rate_hz: float) -> None:
    """Write for ever."""
    write = {"ours": our_writer, "rosbags": rosbags_writer}[kind](Path(folder), topics)
    print("writing", flush=True)
    due_s = time.monotonic()
    while True:
        now_ns = time.time_ns()
        ticks = round(_BATCH_S * rate_hz)
        times_ns = [now_ns - round((ticks - 1 - tick) / rate_hz * 1e9) for tick in range(ticks)]
        write([(topic, time_ns) for time_ns in times_ns for topic in range(topics)])
        due_s += _BATCH_S
        time.sleep(max(0.0, due_s - time.monotonic()))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
