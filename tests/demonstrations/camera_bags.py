"""Bags of an arm that moves before a camera, made by hand."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from mcap_ros2._dynamic import serialize_dynamic
from PIL import Image

from spirl_ros.arms.robot_configuration import RobotConfiguration
from spirl_ros.recording.bag_metadata import BagTopic
from spirl_ros.recording.bag_writer import BagWriter, RawMessage
from spirl_ros.recording.message_definitions import message_definition

JOINT_STATE, IMAGE, COMPRESSED = (f"sensor_msgs/msg/{name}" for name in ("JointState", "Image", "CompressedImage"))
BEGIN_NS = 5_000_000_000


def stamp(time_s: float) -> dict[str, Any]:
    time_ns = BEGIN_NS + round(time_s * 1e9)
    return {"stamp": {"sec": time_ns // 10**9, "nanosec": time_ns % 10**9}, "frame_id": ""}


def scene(number: int, height: int = 24, width: int = 32, channels: int = 3) -> np.ndarray:
    """Picture `number` of a camera, each different: a slope that moves."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([(3 * rows + 2 * columns + 5 * number + 40 * c) % 256 for c in range(channels)], -1).astype(
        np.uint8
    )


def image(picture: np.ndarray, time_s: float, encoding: str = "rgb8", **changes) -> tuple[str, dict[str, Any]]:
    """Type and content of a message; `bgr8` swaps the channels."""
    height, width, channels = picture.shape
    data = (picture[..., ::-1] if encoding == "bgr8" else picture).tobytes()
    content = {"height": height, "width": width, "encoding": encoding, "is_bigendian": 0, "step": width * channels}
    return IMAGE, {"header": stamp(time_s), **content, "data": data, **changes}


def compressed(picture: np.ndarray, time_s: float, kind: str = "png", **changes) -> tuple[str, dict[str, Any]]:
    file = BytesIO()
    Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).save(file, kind, quality=95)
    return COMPRESSED, {
        "header": stamp(time_s),
        "format": f"rgb8; {kind} compressed bgr8",
        "data": file.getvalue(),
        **changes,
    }


def record_seeing(
    folder: Path,
    robot: RobotConfiguration,
    times_s: np.ndarray,
    positions: np.ndarray,
    shots: dict[str, list[tuple[float, tuple[str, dict[str, Any]]]]],
    end=("true", "press"),
) -> Path:
    """A bag of joint states (N, Da), and by topic the messages with the times at which they were received [s]."""
    types = {f"/{robot.joint_state_topic}": JOINT_STATE}
    types |= {topic: messages[0][1][0] if messages else IMAGE for topic, messages in shots.items()}
    topics = [BagTopic(topic, name, message_definition(name).text) for topic, name in types.items()]
    encoders = [serialize_dynamic(one.type_name, one.definition)[one.type_name] for one in topics]
    states = [
        (
            time_s,
            0,
            {
                "header": stamp(time_s),
                "name": list(robot.limits.joint_names),
                "position": row.tolist(),
                "velocity": [],
                "effort": [],
            },
        )
        for time_s, row in zip(times_s.tolist(), positions, strict=True)
    ]
    seen = [
        (received_s, number, content)
        for number, topic in enumerate(shots, start=1)
        for received_s, (_, content) in shots[topic]
    ]
    writer = BagWriter(folder, topics, {"task": end[1], "operator": "ann"})
    for received_s, number, content in sorted([*states, *seen], key=lambda entry: entry[0]):
        received_ns = BEGIN_NS + round(received_s * 1e9)
        writer.write(RawMessage(number, received_ns, received_ns, 0, encoders[number](content)))
    writer.finish({} if end[0] is None else {"is_success": end[0], "note": ""})
    return folder
