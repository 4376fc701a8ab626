"""Bags made by hand, without ROS."""

import struct
from pathlib import Path

from spirl_ros.recording.bag_metadata import BagTopic, qos_profile
from spirl_ros.recording.bag_writer import BagWriter, RawMessage

TOPICS = (
    BagTopic("/count", "std_msgs/msg/Int32", "int32 data\n", "RIHS01_" + "0" * 64, (qos_profile(),)),
    BagTopic("/other", "std_msgs/msg/Int32", "int32 data\n"),
)


def message(value: int, topic: int = 0) -> RawMessage:
    """Sent at `value` seconds since 1970, received a millisecond later."""
    time_ns = (value + 1) * 10**9
    return RawMessage(topic, time_ns + 10**6, time_ns, value, b"\x00\x01\x00\x00" + struct.pack("<i", value))


def begin(folder: Path, values: int, flush_every: int = 10) -> BagWriter:
    """A bag that is not finished, flushed after every tenth message."""
    writer = BagWriter(folder, TOPICS, {"task": "kitchen", "operator": "anna"})
    for value in range(values):
        writer.write(message(value))
        if (value + 1) % flush_every == 0:
            writer.flush()
    return writer
