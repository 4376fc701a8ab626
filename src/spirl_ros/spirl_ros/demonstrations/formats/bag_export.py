"""Writes a dataset of a task family as bags, one per episode: the messages that recording it would have given.

One topic is more than that: `executed_action`, because a command at a joint's limit does not tell the whole of it.
Pictures are there, too; vectors beside the state are not.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mcap_ros2._dynamic import serialize_dynamic

from spirl_ros.control.image_messages import ENCODINGS, image_topic
from spirl_ros.control.observation_fields import PICTURE, Field
from spirl_ros.control.velocity_action import VelocityAction
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.episode import Episode
from spirl_ros.demonstrations.formats.bag_messages import ROLES, SEED, UNKNOWN
from spirl_ros.demonstrations.layout import require_layout
from spirl_ros.demonstrations.self_descriptions import (
    DESCRIPTION_ROLES,
    OPERATOR_STYLE,
    SIMULATOR_DESCRIPTION,
    describe_simulator,
    describe_style,
)
from spirl_ros.files.whole_files import appearing_whole
from spirl_ros.recording.bag_metadata import BagTopic, qos_profile
from spirl_ros.recording.bag_writer import BagWriter, RawMessage
from spirl_ros.recording.message_definitions import message_definition
from spirl_ros.tasks.families import family_of

_LATCHED = qos_profile(durability="transient_local", depth=1)
_TOPICS = {
    "/joint_states": ("joint_states", qos_profile()),
    "/scene_state": ("scene_state", qos_profile()),
    "/task_status": ("task_status", _LATCHED),
    "/operator_action": ("operator_action", qos_profile(depth=1)),
    "/forward_position_controller/commands": ("commands", qos_profile(depth=1)),
    "/executed_action": ("executed_action", qos_profile(depth=1)),
    f"/{SIMULATOR_DESCRIPTION}": (SIMULATOR_DESCRIPTION, _LATCHED),
    f"/{OPERATOR_STYLE}": (OPERATOR_STYLE, _LATCHED),
}
_JOINT_STATES, _SCENE_STATE, _TASK_STATUS, _OPERATOR_ACTION, _COMMANDS, _EXECUTED, _SIMULATOR, _STYLE = range(8)

_IMAGE = "sensor_msgs/msg/Image"

_BEGIN_NS = 1_000_000_000
"""When an exported episode begins [ns since 1970]: its simulation has no date."""


def write_bags(path: Path, dataset: Dataset) -> None:
    """Write a folder of bags, named as the recorder names them.

    Raises:
        DatasetError: the dataset is of another robot, the folder exists, or the disk refuses.
        RecordingError: message types are not found, because the workspace is not sourced.
    """
    family = family_of(dataset.task)
    require_layout(
        family,
        dataset,
        f"The messages in bags of the {family.name} need its names. Export with --format lerobot, "
        "which takes every arm.",
        any_rate=True,
    )
    meaning = family.robot.action_meaning
    definitions = [message_definition((ROLES | DESCRIPTION_ROLES)[role]) for role, _ in _TOPICS.values()]
    topics = [
        BagTopic(name, definition.type_name, definition.text, definition.type_hash, (qos,))
        for (name, (_, qos)), definition in zip(_TOPICS.items(), definitions, strict=True)
    ]
    encoders = [_encoder(topic) for topic in topics]
    pictures = [one for one in dataset.episodes[0].metadata.more_fields if one.dtype == PICTURE]
    for one in pictures:
        definition = message_definition(_IMAGE)
        name = f"/{image_topic(one.source)}"
        topics.append(BagTopic(name, definition.type_name, definition.text, definition.type_hash, (qos_profile(),)))
        encoders.append(_image_encoder(topics[-1]))
    with appearing_whole(path) as temporary:
        temporary.mkdir()
        for number, episode in enumerate(dataset.episodes, start=1):
            metadata = episode.metadata
            details = {"task": dataset.task, "operator": metadata.operator}
            if metadata.seed is None:
                details[SEED] = UNKNOWN  # the status can only say 0
            writer = BagWriter(temporary / f"episode_{number:06d}", topics, details)
            for time_ns, topic, content in _messages(episode, number, dataset.task, meaning, pictures):
                writer.write(RawMessage(topic, time_ns, time_ns, 0, encoders[topic](content)))
            verdict = {} if metadata.is_success is None else {"is_success": str(metadata.is_success).lower()}
            writer.finish({**verdict, "note": "exported"})


def _messages(
    episode: Episode, number: int, task: str, meaning: VelocityAction, pictures: Sequence[Field]
) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Time [ns], topic and content of every message of an episode, in the order of a control loop."""
    metadata, joints = episode.metadata, len(episode.metadata.joint_names)
    period_ns = round(1e9 / metadata.control_rate_hz)
    for step, observation in enumerate(episode.observations):
        time_ns = _BEGIN_NS + step * period_ns
        header = {"stamp": {"sec": time_ns // 10**9, "nanosec": time_ns % 10**9}, "frame_id": ""}
        positions = observation[:joints]
        for topic, described in enumerate(pictures, start=len(_TOPICS)):
            yield time_ns, topic, _image(episode.fields[described.name][step], described, header)
        yield (
            time_ns,
            _JOINT_STATES,
            {
                "header": header,
                "name": list(metadata.joint_names),
                "position": positions.tolist(),
                "velocity": [],
                "effort": [],
            },
        )
        scene = {
            "header": {**header, "frame_id": "world"},
            "name": list(metadata.observation_names[joints:]),
            "position": observation[joints:].tolist(),
        }
        yield time_ns, _SCENE_STATE, scene
        yield time_ns, _TASK_STATUS, {"header": header, **_task_status(episode, number, task, step)}
        if step == 0 and metadata.mujoco_version:
            said = describe_simulator(metadata.measurement_noise, metadata.mujoco_version)
            yield time_ns + 1000, _SIMULATOR, {"data": said}
        if step == 0 and metadata.operator_style is not None:
            yield time_ns + 1000, _STYLE, {"data": describe_style(metadata.operator_style)}
        if step < episode.steps:
            action, executed = episode.actions[step], episode.executed_actions[step]
            yield time_ns + 1000, _OPERATOR_ACTION, _float_array(action)
            yield time_ns + 2000, _COMMANDS, _float_array(meaning.joint_command(executed, positions))
            yield time_ns + 2000, _EXECUTED, _float_array(executed)


def _task_status(episode: Episode, number: int, task: str, step: int) -> dict[str, Any]:
    metadata = episode.metadata
    completed = {name: at for name, at in metadata.completed_at_step.items() if at <= step}
    in_order = 0
    while in_order < len(metadata.task) and metadata.task[in_order] in completed:
        in_order += 1
    return {
        "task": task,
        "episode": number,
        "seed": metadata.seed if metadata.seed is not None else 0,
        "subtasks": list(metadata.task),
        "is_completed": [subtask in completed for subtask in metadata.task],
        "completed_in_order": in_order,
        "completed": list(completed),
        "completed_at_step": list(completed.values()),
        "step": step,
        "max_steps": episode.steps,
        "reward": float(episode.rewards[step - 1]) if step else 0.0,
        "total_reward": float(episode.rewards[:step].sum()),
        "terminated": episode.terminated and step == episode.steps,
        "truncated": episode.truncated and step == episode.steps,
    }


def _float_array(values: np.ndarray) -> dict[str, Any]:
    return {"layout": {"dim": [], "data_offset": 0}, "data": values.tolist()}


def _image(picture: np.ndarray, described: Field, header: dict[str, Any]) -> dict[str, Any]:
    height, width, channels = picture.shape
    return {
        "header": {**header, "frame_id": described.source},
        "height": height,
        "width": width,
        "encoding": ENCODINGS[channels][0],
        "is_bigendian": 0,
        "step": width * channels,
        "data": picture.tobytes(),
    }


def _image_encoder(topic: BagTopic) -> Callable[[Any], bytes]:
    """As `_encoder`, but for the pixels, which the message ends with: that would write them one by one."""
    encode = _encoder(topic)

    def encode_image(content: dict[str, Any]) -> bytes:
        without = encode({**content, "data": b""})
        return without[:-4] + struct.pack("<I", len(content["data"])) + content["data"]

    return encode_image


def _encoder(topic: BagTopic) -> Callable[[Any], bytes]:
    return serialize_dynamic(topic.type_name, topic.definition)[topic.type_name]
