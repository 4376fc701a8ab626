"""Pictures in sensor_msgs/Image messages, whoever decoded them: which encodings are known, and how pixels lie."""

from typing import Any

import numpy as np

from spirl_ros.control.observation_fields import Field
from spirl_ros.errors import ObservationError
from spirl_ros.files.outside_text import shortened

ENCODINGS = {1: ("mono8",), 3: ("rgb8", "bgr8")}
"""By the number of channels, the one that is sent first."""


def image_topic(source: str) -> str:
    """Topic of a camera's pictures, as image drivers name it."""
    return f"camera/{source}/image_raw"


def channels_of(encoding: str) -> int | None:
    """How many channels an encoding has; None for one that is not known."""
    return next((channels for channels, encodings in ENCODINGS.items() if encoding in encodings), None)


def from_image(message: Any, field: Field) -> np.ndarray:
    """The picture (H, W, C) of a field, uint8; blue and red of `bgr8` change places.

    Raises:
        ObservationError: another size or encoding than the field's, or data that lacks.
    """
    height, width, channels = field.shape
    camera, encodings = f"camera '{field.source}'", ENCODINGS.get(channels, ())
    if message.encoding not in encodings:
        raise ObservationError(
            f"{camera} sends {shortened(message.encoding)}, expected {' or '.join(encodings) or 'none'}. Set its "
            "driver, or convert its pictures with image_proc."
        )
    if (message.height, message.width) != (height, width):
        raise ObservationError(
            f"{camera} sends {message.width} x {message.height} pixels, expected {width} x {height}. Set its driver, "
            "or resize its pictures with image_proc."
        )
    row = width * channels
    if message.step < row or len(message.data) != height * message.step:
        raise ObservationError(
            f"{camera} sends {len(message.data)} bytes in rows of {message.step}, expected {height} rows of at least "
            f"{row}. Its driver is faulty."
        )
    rows = np.frombuffer(message.data, np.uint8).reshape(height, message.step)
    picture = rows[:, :row].reshape(height, width, channels)
    return np.ascontiguousarray(picture[..., ::-1] if message.encoding == "bgr8" else picture)
