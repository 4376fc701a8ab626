"""Reads the pictures of a camera from a bag: twice, first when each was taken, then those that are of use.

So there is one whole picture in memory at a time, and pictures that no observation has are never decoded.
"""

import re
import warnings
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from spirl_ros.control.image_messages import ENCODINGS, channels_of, from_image, image_topic
from spirl_ros.control.observation_fields import PICTURE, Field
from spirl_ros.demonstrations.formats.bag_messages import (
    BagMessages,
    Recorded,
    Source,
    decoder_of,
    mcap_files,
    misfit,
    other_definition,
    stamp_ns,
)
from spirl_ros.demonstrations.measuring_times import Stamped
from spirl_ros.errors import DatasetError, ObservationError
from spirl_ros.files.plain_yaml import printable, shortened
from spirl_ros.recording.bag_compression import decompress_message
from spirl_ros.recording.bag_reader import BagFile

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
_COMPRESSED_END = "/compressed"
_ANY_CAMERA = re.compile(r"(?:^|/)camera/([^/]+)/image_raw(?:/compressed)?$")

_LARGEST_MESSAGE_BYTES = 128 * 2**20
_LARGEST_PIXELS = 2**25
"""33 megapixels, as the largest cameras have. A file of some kilobytes may claim any number."""
_FORMATS = ("JPEG", "PNG")
_GREY, _COLOURS = ("L", "LA", "1"), ("RGB", "RGBA", "P", "CMYK", "YCbCr")
"""Pillow's names for pixels of 8 bits."""


@dataclass(frozen=True)
class Camera:
    """A camera that was asked for."""

    name: str
    """As topics and fields name it."""
    topic: str = ""
    """End of its topic's name; empty for `camera/NAME/image_raw`, and else that with `/compressed`."""

    @property
    def topics(self) -> tuple[str, ...]:
        """Ends of topics' names, the first that was recorded is read."""
        return (self.topic,) if self.topic else (image_topic(self.name), image_topic(self.name) + _COMPRESSED_END)


class Shot(NamedTuple):
    """A picture before it is decoded."""

    stamped: Stamped
    """When it was taken, sent and received."""
    checksum: int
    """Of its data."""


def cameras_in(topics: Mapping[str, Recorded]) -> dict[str, int]:
    """Cameras of which there are pictures on topics named as image drivers name them, and how many."""
    found: dict[str, int] = {}
    for topic, recorded in topics.items():
        match = _ANY_CAMERA.search(topic)
        if match and recorded.count and recorded.type_name in (IMAGE, COMPRESSED):
            found[match[1]] = max(found.get(match[1], 0), recorded.count)
    return found


class CameraRecording:
    """The pictures of one camera in one recording, numbered in the order in which they were recorded."""

    def __init__(self, messages: BagMessages, camera: Camera) -> None:
        """Find its topic.

        Raises:
            DatasetError: there is none with pictures, or several.
        """
        self.path, self.camera = messages.path, camera
        self.topic = _chosen_topic(messages, camera)
        self._type = messages.topics[self.topic].type_name
        self.field: Field | None = None
        """What is recorded, in its own size; known after `shots`."""

    def shots(self) -> list[Shot]:
        """When each picture was taken.

        Raises:
            DatasetError: another encoding, or a size that changes in the middle; the message says which picture.
        """
        shots = []
        for number, stamped, content in self._contents():
            with self._naming(number):
                self._require_same(_shape_of(content, self._type, self.camera.name))
                shots.append(Shot(stamped, zlib.crc32(content.data)))
        return shots

    def pictures(self, numbers: Collection[int]) -> Iterator[tuple[int, np.ndarray]]:
        """Number and picture (H, W, C) of those with these numbers, after `shots`.

        Raises:
            DatasetError: one is damaged.
        """
        assert self.field is not None
        for number, _, content in self._contents():
            if number not in numbers:
                continue
            with self._naming(number):
                picture = from_image(content, self.field) if self._type == IMAGE else _unpacked(content, self.field)
            yield number, picture

    def _contents(self) -> Iterator[tuple[int, Stamped, Any]]:
        """Number, times and content of every message on the topic."""
        number = 0
        for file in mcap_files(self.path):
            bag, decoders = BagFile(file), dict[int, Callable[[bytes], Any]]()
            try:
                for message in bag.messages(lambda channel: channel.topic == self.topic):
                    if message.channel_id not in decoders:
                        channel = bag.channels[message.channel_id]
                        source = Source(file, channel, bag.schemas.get(channel.schema_id))
                        decoders[message.channel_id] = decoder_of(source, self._type)
                    with self._naming(number):
                        content = decoders[message.channel_id](_whole(message.data))
                        sent_ns = message.publish_time or message.log_time
                        stamped = Stamped(stamp_ns(content), sent_ns, message.log_time)
                    yield number, stamped, content
                    number += 1
            except OSError as error:
                raise DatasetError(f"{file} cannot be read: {error}.") from error

    def _require_same(self, shape: tuple[int, int, int]) -> None:
        if self.field is None:
            self.field = Field("picture", shape, PICTURE, source=self.camera.name)
        elif shape != self.field.shape:
            raise ObservationError(
                f"camera '{self.camera.name}' sends {describe(shape)}, but {describe(self.field.shape)} before: that "
                "changed in the middle. Cut the recording there, or leave it out."
            )

    @contextmanager
    def _naming(self, number: int) -> Iterator[None]:
        """Say which picture cannot be used."""
        try:
            yield
        except AttributeError as error:
            raise other_definition(self.path, error) from error
        except ObservationError as error:
            raise DatasetError(
                f"{self.path}: picture {number} on {printable(self.topic, limit=100)}: {error}"
            ) from error
        except Exception as error:  # A definition from outside leads anywhere, and so does a damaged picture.
            raise misfit(self.path, number, printable(self.topic, limit=100), error) from error


def describe(shape: tuple[int, ...]) -> str:
    """A picture's shape (H, W, C) in words."""
    return f"{shape[1]} x {shape[0]} pixels in {'grey' if shape[2] == 1 else 'colours'}"


def _chosen_topic(messages: BagMessages, camera: Camera) -> str:
    for end in camera.topics:
        found = {
            topic: recorded
            for topic, recorded in messages.topics.items()
            if recorded.count and f"/{topic.strip('/')}".endswith(f"/{end.strip('/')}")
        }
        fitting = [topic for topic, recorded in found.items() if recorded.type_name in (IMAGE, COMPRESSED)]
        exact = [topic for topic in fitting if topic.strip("/") == end.strip("/")]
        if found and not fitting:
            topic, recorded = next(iter(found.items()))
            raise DatasetError(
                f"{messages.path}: {printable(topic, limit=100)} is a {printable(recorded.type_name, limit=100)}, "
                f"expected {IMAGE} or {COMPRESSED}."
            )
        if not exact and len(fitting) > 1:
            several = " and ".join(printable(topic, limit=100) for topic in fitting[:3])
            raise DatasetError(
                f"{messages.path} has both {several}. Say which one is camera '{camera.name}' in full: "
                f"--cameras {camera.name}=TOPIC."
            )
        if fitting:
            return next(iter(exact or fitting))
    there = ", ".join(printable(name, limit=40) for name in list(cameras_in(messages.topics))[:10])
    raise DatasetError(
        f"{messages.path} has no picture on {' or '.join(camera.topics)}; cameras there: {there or 'none'}. Record "
        f"camera '{camera.name}', too (the recorder's parameter cameras), or import without it: --cameras "
        f"{'NAMES' if there else 'none'}."
    )


def _whole(data: bytes) -> bytes:
    data = decompress_message(data, _LARGEST_MESSAGE_BYTES)
    if len(data) > _LARGEST_MESSAGE_BYTES:
        raise ValueError(f"it has more than {_LARGEST_MESSAGE_BYTES} bytes")
    return data


def _shape_of(content: Any, type_name: str, camera: str) -> tuple[int, int, int]:
    """What a message says of its picture, (H, W, C)."""
    if type_name == IMAGE:
        height, width, channels = content.height, content.width, channels_of(content.encoding)
        if channels is None:
            known = ", ".join(encoding for encodings in ENCODINGS.values() for encoding in encodings)
            raise ObservationError(
                f"camera '{camera}' sends {shortened(content.encoding)}, expected one of {known}. Set its driver, or "
                "convert its pictures with image_proc."
            )
    else:
        with _opened(content, camera) as image:
            width, height = image.size
            channels = 1 if image.mode in _GREY else 3
    if not 0 < height * width <= _LARGEST_PIXELS:
        raise ObservationError(
            f"camera '{camera}' sends {width} x {height} pixels, expected at most {_LARGEST_PIXELS} of them and more "
            "than none. Its driver is faulty."
        )
    return height, width, channels


def _opened(content: Any, camera: str) -> Image.Image:
    """A compressed picture, of which the beginning alone was read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(BytesIO(content.data), formats=_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ObservationError(
            f"camera '{camera}' sends more pixels than {_LARGEST_PIXELS}, which are expected at most. Its driver is "
            "faulty."
        ) from error
    except UnidentifiedImageError as error:
        raise ObservationError(
            f"camera '{camera}' sends {shortened(content.format)}, expected jpeg or png. Set format of its "
            "image_transport."
        ) from error
    if image.mode not in (*_GREY, *_COLOURS):
        raise ObservationError(
            f"camera '{camera}' sends {shortened(content.format)} with pixels of {image.mode}, expected 8 bits of grey "
            "or colours. Depth is no picture here: choose the camera's colours."
        )
    return image


def _unpacked(content: Any, field: Field) -> np.ndarray:
    with _opened(content, field.source) as image:
        try:
            plain = np.asarray(image.convert("L" if field.shape[2] == 1 else "RGB"))
        except Exception as error:  # What damaged bytes lead to inside the decoders.
            reason = printable(str(error), limit=100)
            raise ObservationError(
                f"camera '{field.source}' sends a damaged {shortened(content.format)}: {reason}. Leave this "
                "recording out."
            ) from error
    return plain.reshape(field.shape)
