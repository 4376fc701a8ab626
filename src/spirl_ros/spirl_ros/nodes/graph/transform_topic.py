"""The topic tf, where tf2_msgs is installed: a full ROS 2 distribution has it, the wheels do not."""

from collections.abc import Sequence
from importlib import import_module

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from rclpy.node import Node
from rclpy.publisher import Publisher


class TransformTopic:
    """Publishes frames to `tf`, which is `/tf` outside a namespace; without tf2_msgs it does nothing."""

    def __init__(self, node: Node) -> None:
        """Open the topic if its type is there."""
        self._node = node
        self._publisher: Publisher | None = None
        try:
            self._message_type = import_module("tf2_msgs.msg").TFMessage
        except ImportError:
            return
        self._publisher = node.create_publisher(self._message_type, "tf", 10)

    @property
    def is_available(self) -> bool:
        """Whether tf2_msgs is installed."""
        return self._publisher is not None

    @property
    def listeners(self) -> int:
        """How many listen."""
        return 0 if self._publisher is None else self._publisher.get_subscription_count()

    def publish(self, transforms: Sequence[TransformStamped]) -> None:
        """Say where the frames are."""
        if self._publisher is not None:
            self._publisher.publish(self._message_type(transforms=list(transforms)))

    def close(self) -> None:
        """Close the topic."""
        if self._publisher is not None:
            self._node.destroy_publisher(self._publisher)


def to_transforms(
    names: Sequence[str],
    parents: Sequence[str],
    positions: np.ndarray,
    quaternions: np.ndarray,
    stamp: Time,
) -> list[TransformStamped]:
    """Frames as messages, from their positions (N, 3) [m] and unit quaternions (N, 4), w first, in their parents."""
    messages = []
    for name, parent, position, quaternion in zip(names, parents, positions, quaternions, strict=True):
        x, y, z = (float(value) for value in position)
        w, i, j, k = (float(value) for value in quaternion)
        pose = Transform(translation=Vector3(x=x, y=y, z=z), rotation=Quaternion(w=w, x=i, y=j, z=k))
        message = TransformStamped(child_frame_id=name, transform=pose)
        message.header.frame_id, message.header.stamp = parent, stamp
        messages.append(message)
    return messages
