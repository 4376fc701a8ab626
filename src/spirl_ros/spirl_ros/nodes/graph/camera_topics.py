"""Pictures of cameras as ROS messages, and the topics of a simulator's cameras."""

import io
from array import array
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.exceptions import InvalidTopicNameException
from rclpy.node import Node
from rclpy.validate_topic_name import validate_topic_name
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from spirl_ros.control.image_messages import ENCODINGS, image_topic
from spirl_ros.control.observation_fields import Field, Observation
from spirl_ros.errors import ConfigError, PlotError

if TYPE_CHECKING:  # On a robot's computer mujoco is not installed.
    from spirl_ros.tasks.mujoco_environment import MujocoEnvironment

_DEPTH = 10
"""As deep as the topics of states: who records needs the picture of each."""
NO_COMPRESSION = "none"
COMPRESSIONS = ("png", "jpeg")
_COMPRESSION_OPTIONS = {"png": {"compress_level": 3}, "jpeg": {"quality": 95}}
"""The defaults of image_transport's plugin."""


def to_image(picture: np.ndarray, stamp: Time, frame_id: str) -> Image:
    """A picture (H, W, 3) of red, green and blue, or (H, W, 1) of grey, uint8."""
    height, width, channels = picture.shape
    message = Image(height=height, width=width, encoding=ENCODINGS[channels][0], step=width * channels)
    message.header.stamp, message.header.frame_id = stamp, frame_id
    message.data = array("B", np.ascontiguousarray(picture).tobytes())
    return message


def to_compressed_image(picture: np.ndarray, kind: str, stamp: Time, frame_id: str) -> CompressedImage:
    """The same picture as a file, as image_transport's plugin `compressed` sends it.

    Args:
        picture: (H, W, 3) or (H, W, 1), uint8.
        kind: one of COMPRESSIONS.
        stamp: when it was taken.
        frame_id: of the camera.
    """
    from PIL import Image as PillowImage

    encoding = ENCODINGS[picture.shape[-1]][0]
    file = io.BytesIO()
    pixels = picture[..., 0] if picture.shape[-1] == 1 else picture
    PillowImage.fromarray(pixels).save(file, format=kind, **_COMPRESSION_OPTIONS[kind])
    # What image_transport decodes it to: OpenCV has blue first.
    message = CompressedImage(format=f"{encoding}; {kind} compressed {ENCODINGS[picture.shape[-1]][-1]}")
    message.header.stamp, message.header.frame_id = stamp, frame_id
    message.data = array("B", file.getvalue())
    return message


def to_camera_info(image: Image, matrix: np.ndarray | None) -> CameraInfo:
    """Size of a picture, and how its camera (3, 3) projects; None where nobody can say, which is all zeros."""
    info = CameraInfo(header=image.header, height=image.height, width=image.width)
    if matrix is not None:
        info.distortion_model, info.d = "plumb_bob", [0.0] * 5
        info.k, info.r = matrix.ravel(), np.eye(3).ravel()
        info.p = np.column_stack((matrix, np.zeros(3))).ravel()
    return info


def _check_source(field: Field) -> None:
    try:
        validate_topic_name(image_topic(field.source))
    except InvalidTopicNameException:
        raise ConfigError(
            f"the picture {field.name} is of camera '{field.source}', expected a name of letters, digits and _, which "
            "can be part of a topic's name. Name the camera otherwise."
        ) from None


class CameraTopics:
    """The cameras of a simulated scene: `camera/SOURCE/image_raw` and `camera/SOURCE/camera_info` of each picture.

    Pictures that nobody listens to are not drawn. One that cannot be drawn is told once, and then there are none.
    """

    def __init__(
        self,
        node: Node,
        environment: "MujocoEnvironment",
        *,
        is_waited_for: bool,
        compression: str,
        on_error: Callable[[Exception], None],
    ) -> None:
        """Open the topics, and OpenGL where that draws, so that the first picture takes no longer than the others.

        Args:
            node: whose topics they are.
            environment: what the cameras see.
            is_waited_for: pictures are sent before `publish` returns; else a thread sends them, and those of a moment
                at which it still sends others are left out.
            compression: one of COMPRESSIONS, sent on `camera/SOURCE/image_raw/compressed`; NO_COMPRESSION for none.
            on_error: called from that thread when it fails.

        Raises:
            ConfigError: a picture's source is no camera of the model or cannot be part of a topic's name, or there is
                nothing to compress with.
        """
        if compression != NO_COMPRESSION and find_spec("PIL") is None:
            raise ConfigError(
                f"compressed_pictures is {compression}, but the package pillow is not installed. Install it (pip "
                f"install pillow), or set {NO_COMPRESSION}."
            )
        self._node, self._environment, self._is_waited_for = node, environment, is_waited_for
        self._compression, self._on_error = compression, on_error
        self._pictures = pictures = environment.family.robot.observation.pictures
        for field in pictures:
            _check_source(field)
        self._matrices = {} if environment.cameras is None else environment.cameras.matrices()
        self._images = [node.create_publisher(Image, image_topic(field.source), _DEPTH) for field in pictures]
        self._infos = [
            node.create_publisher(CameraInfo, f"camera/{field.source}/camera_info", _DEPTH) for field in pictures
        ]
        self._files = [
            node.create_publisher(CompressedImage, f"{image_topic(field.source)}/compressed", _DEPTH)
            for field in pictures
            if compression != NO_COMPRESSION
        ]
        self._sent: Observation | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="camera_topics")
        self._sending: Future[None] | None = None
        self.left_out = 0
        """Moments without pictures, because the ones before were still being sent."""
        self.fault = ""
        """Why there are no pictures; empty while there are."""
        if pictures:
            self._open()

    @property
    def sources(self) -> list[str]:
        """Names of the cameras."""
        return [field.source for field in self._pictures]

    def publish(self, stamp: Time) -> None:
        """Send what the cameras see now, to those who listen."""
        self._sent = None
        publishers = (*self._images, *self._infos, *self._files)
        if self.fault or not any(publisher.get_subscription_count() for publisher in publishers):
            return
        if self._is_waited_for:
            self._send(self._environment.observe(), stamp)
        elif self._sending is not None and not self._sending.done():
            self.left_out += 1
        else:
            self._sending = self._thread.submit(self._send_soon, self._environment.observe_soon(), stamp)

    def repeat(self, stamp: Time) -> None:
        """Send the last ones again, for those who joined late: drawn now where nobody listened then."""
        if self._sent is None:
            self.publish(stamp)
        else:
            self._send(self._sent, stamp)

    def finish(self) -> None:
        """Wait until nothing is being sent."""
        if self._sending is not None:
            self._sending.result()

    def close(self) -> None:
        """Close the topics."""
        self._thread.shutdown()
        for publisher in (*self._images, *self._infos, *self._files):
            self._node.destroy_publisher(publisher)

    def _open(self) -> None:
        try:
            self._environment.observe()
        except PlotError as error:
            self.fault = f"no pictures of {', '.join(self.sources)}: {error}"
            self._node.get_logger().error(self.fault)
            return
        if (cameras := self._environment.cameras) is not None:
            drawn = ", ".join(field.source for field in cameras.pictures)
            self._node.get_logger().info(f"cameras drawn with {cameras.backend}: {drawn}")

    def _send_soon(self, observed: Callable[[], Observation], stamp: Time) -> None:
        try:
            self._send(observed(), stamp)
        except Exception as error:  # A thread that dies must stop its owner, whatever killed it.
            self._on_error(error)

    def _send(self, observation: Observation, stamp: Time) -> None:
        for index, field in enumerate(self._pictures):
            picture = observation[field.name]
            image = to_image(picture, stamp, field.source)
            self._images[index].publish(image)
            self._infos[index].publish(to_camera_info(image, self._matrices.get(field.name)))
            if self._files and self._files[index].get_subscription_count():
                self._files[index].publish(to_compressed_image(picture, self._compression, stamp, field.source))
        self._sent = observation
