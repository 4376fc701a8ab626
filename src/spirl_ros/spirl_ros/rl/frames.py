"""Messages between the process that acts and the one that learns: a JSON header and plain arrays. Nothing is executed.

A frame is its length (8 bytes, little endian), the length of its header (4 bytes), the header as JSON (kind, values,
and name, type and shape of each array), and the arrays' bytes one after the other.
"""

import json
import math
import socket
import struct
from typing import Any, NamedTuple

import numpy as np

from spirl_ros.errors import TrainingError

LARGEST_FRAME_BYTES = 256_000_000
_TYPES = ("float32", "float64", "int64", "bool", "uint8")
_NO_ARRAYS: dict[str, np.ndarray] = {}


class Frame(NamedTuple):
    """One message."""

    kind: str
    values: dict[str, Any]
    """Numbers, texts and lists of them, by name."""
    arrays: dict[str, np.ndarray]


class FrameSocket:
    """Frames over a connected stream socket."""

    def __init__(self, connection: socket.socket) -> None:
        """Take the socket over."""
        self._socket = connection
        self._buffer = bytearray()
        self.is_closed = False
        """The other side is gone."""

    def fileno(self) -> int:
        """For select."""
        return self._socket.fileno()

    def send(self, kind: str, values: dict[str, Any] | None = None, arrays: dict[str, np.ndarray] = _NO_ARRAYS) -> None:
        """Send a message; it waits while the other side does not read. Nothing happens when that is gone."""
        contents = {name: np.asarray(array, order="C") for name, array in arrays.items()}
        layout = [[name, array.dtype.name, list(array.shape)] for name, array in contents.items()]
        header = json.dumps({"kind": kind, "values": values or {}, "arrays": layout}).encode()
        parts = [struct.pack("<I", len(header)), header, *(array.tobytes() for array in contents.values())]
        try:
            self._socket.sendall(struct.pack("<Q", sum(map(len, parts))) + b"".join(parts))
        except OSError:
            pass  # `receive` finds the end, after what the other side had sent before it went

    def receive(self, timeout_s: float | None = 0.0) -> list[Frame]:
        """All messages that are there, after waiting for one for so long; None waits for ever.

        Raises:
            TrainingError: what came is no message.
        """
        frames = self._take()
        timeout_s = 0.0 if frames else timeout_s
        while not self.is_closed:
            self._socket.settimeout(timeout_s)
            try:
                received = self._socket.recv(1 << 20)
            except (TimeoutError, BlockingIOError):
                break
            except OSError:
                received = b""
            self.is_closed = not received
            self._buffer += received
            frames += self._take()
            timeout_s = 0.0 if frames else timeout_s
        self._socket.settimeout(None)
        return frames

    def close(self) -> None:
        """Close it; the other side notices."""
        self.is_closed = True
        self._socket.close()

    def _take(self) -> list[Frame]:
        frames = []
        while len(self._buffer) >= 8:
            (size,) = struct.unpack_from("<Q", self._buffer)
            if size > LARGEST_FRAME_BYTES:
                raise TrainingError(f"a message has {size} bytes, expected at most {LARGEST_FRAME_BYTES}.")
            if len(self._buffer) < 8 + size:
                break
            frames.append(parse_frame(bytes(self._buffer[8 : 8 + size])))
            del self._buffer[: 8 + size]
        return frames


def parse_frame(content: bytes) -> Frame:
    """A message from the bytes behind its length; raises TrainingError when they are none."""
    try:
        (header_size,) = struct.unpack_from("<I", content)
        header = json.loads(content[4 : 4 + header_size])
        arrays, offset = {}, 4 + header_size
        for name, type_name, shape in header["arrays"]:
            if type_name not in _TYPES:
                raise ValueError(f"array {name} has type {type_name}, expected one of {', '.join(_TYPES)}")
            count = math.prod(shape)
            array = np.frombuffer(content, np.dtype(type_name), count, offset).reshape(shape).copy()
            arrays[name], offset = array, offset + array.nbytes
        if offset != len(content):
            raise ValueError(f"{len(content) - offset} bytes are left over")
        return Frame(header["kind"], header["values"], arrays)
    except (struct.error, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"what came from the other process is not a message: {error}.") from error
