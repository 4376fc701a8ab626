import socket
import struct

import numpy as np
import pytest

from spirl_ros.errors import TrainingError
from spirl_ros.rl.frames import FrameSocket, parse_frame


def pair() -> tuple[FrameSocket, FrameSocket]:
    return tuple(FrameSocket(end) for end in socket.socketpair())  # type: ignore[return-value]


def test_values_and_arrays_arrive_as_they_were_sent() -> None:
    mine, theirs = pair()
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "none": np.zeros((0, 4)), "flag": np.array(True)}
    mine.send("first", {"n": 3, "text": "ü"}, arrays)
    mine.send("second")
    first, second = theirs.receive(1.0)
    assert (first.kind, first.values, second.kind) == ("first", {"n": 3, "text": "ü"}, "second")
    for name, array in arrays.items():
        np.testing.assert_array_equal(first.arrays[name], array)
        assert (first.arrays[name].dtype, first.arrays[name].shape) == (array.dtype, array.shape)
    assert theirs.receive(0.0) == []


def test_half_a_message_waits_for_the_rest_and_the_end_is_noticed() -> None:
    left, right = socket.socketpair()
    frames = FrameSocket(right)
    content = struct.pack("<I", 41) + b'{"kind": "k", "values": {}, "arrays": []}'
    whole = struct.pack("<Q", len(content)) + content
    left.sendall(whole[:10])
    assert frames.receive(0.05) == []
    left.sendall(whole[10:])
    assert [frame.kind for frame in frames.receive(1.0)] == ["k"]
    left.close()
    assert frames.receive(1.0) == [] and frames.is_closed
    frames.send("nobody")  # nothing happens


@pytest.mark.parametrize(
    "content",
    [
        b"",
        struct.pack("<I", 5) + b"nope!",
        struct.pack("<I", 2) + b"{}",
        struct.pack("<I", 57) + b'{"kind": "k", "values": {}, "arrays": [["a", "object", []]]}'[:57],
        struct.pack("<I", 41) + b'{"kind": "k", "values": {}, "arrays": []}' + b"left over",
    ],
)
def test_what_is_no_message_is_refused(content: bytes) -> None:
    with pytest.raises(TrainingError, match="is not a message"):
        parse_frame(content)


def test_objects_are_never_read() -> None:
    header = b'{"kind": "k", "values": {}, "arrays": [["a", "object", []]]}'
    with pytest.raises(TrainingError, match="has type object"):
        parse_frame(struct.pack("<I", len(header)) + header)


def test_absurd_length_is_refused() -> None:
    left, right = socket.socketpair()
    left.sendall(struct.pack("<Q", 1 << 60))
    with pytest.raises(TrainingError, match="expected at most"):
        FrameSocket(right).receive(1.0)
