"""Pictures of cameras as ROS messages, and the topics of a simulator's cameras."""

from array import array
from collections.abc import Callable, Sequence

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from spirl_ros.control.image_messages import ENCODINGS, image_topic
from spirl_ros.control.observation_fields import Field, Observation

_DEPTH = 10
"""As deep as the topics of states: who records needs the picture of each."""


def to_image(picture: np.ndarray, stamp: Time, frame_id: str) -> Image:
    """A picture (H, W, 3) of red, green and blue, or (H, W, 1) of grey, uint8."""
    height, width, channels = picture.shape
    message = Image(height=height, width=width, encoding=ENCODINGS[channels][0], step=width * channels)
    message.header.stamp, message.header.frame_id = stamp, frame_id
    message.data = array("B", np.ascontiguousarray(picture).tobytes())
    return message


class CameraTopics:
    """The cameras of a simulated scene: `camera/SOURCE/image_raw` and `camera/SOURCE/camera_info` of each picture.

    Pictures that nobody listens to are not drawn.
    """

    def __init__(self, node: Node, pictures: Sequence[Field]) -> None:
        """Open the topics of these fields."""
        self._node, self._pictures = node, pictures
        self._images = [node.create_publisher(Image, image_topic(field.source), _DEPTH) for field in pictures]
        self._infos = [
            node.create_publisher(CameraInfo, f"camera/{field.source}/camera_info", _DEPTH) for field in pictures
        ]
        self._sent: list[Image | None] = [None] * len(pictures)

    def publish(self, observe: Callable[[], Observation], stamp: Time) -> None:
        """Send what the cameras see at a moment, to those who listen."""
        self._sent = [None] * len(self._pictures)
        if not any(publisher.get_subscription_count() for publisher in (*self._images, *self._infos)):
            return
        observation = observe()
        for index, field in enumerate(self._pictures):
            image = to_image(observation[field.name], stamp, field.source)
            info = CameraInfo(header=image.header, height=image.height, width=image.width)
            self._images[index].publish(image)
            self._infos[index].publish(info)
            self._sent[index] = image

    def repeat(self, observe: Callable[[], Observation], stamp: Time) -> None:
        """Send the last ones again, for those who joined late: drawn now where nobody listened then."""
        if None in self._sent:
            self.publish(observe, stamp)
            return
        for publisher, image in zip(self._images, self._sent, strict=True):
            publisher.publish(image)

    def close(self) -> None:
        """Close the topics."""
        for publisher in (*self._images, *self._infos):
            self._node.destroy_publisher(publisher)
