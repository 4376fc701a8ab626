"""What episodes of a task family look like: the same joints and scene, the same rate, the same meaning of an action."""

import numpy as np

from spirl_ros.control.velocity_action import format_scale
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.episode import EpisodeMetadata
from spirl_ros.errors import DatasetError
from spirl_ros.tasks.task import RobotFacts, TaskFamily


def robot_metadata(robot: RobotFacts) -> EpisodeMetadata:
    """What holds for every episode of a robot; task and operator are left empty."""
    joints = robot.limits.joint_names
    return EpisodeMetadata(
        task=(),
        operator="",
        control_rate_hz=1.0 / robot.control_period_s,
        observation_names=robot.observation_names,
        joint_names=joints,
        joint_units=tuple(robot.units[name] for name in joints),
        action_scale=robot.velocity_scale,
    )


def layout_difference(robot: RobotFacts, metadata: EpisodeMetadata, *, any_rate: bool = False) -> str | None:
    """The first thing in which an episode differs from a simulated robot's, with both values; None for its own.

    Args:
        robot: the simulated one.
        metadata: of the episode.
        any_rate: do not look at the control rate.
    """
    expected, whose = robot_metadata(robot), f"the simulated {robot.name}"
    for name in ("observation_names", "joint_names"):
        found, wanted = getattr(metadata, name), getattr(expected, name)
        if found != wanted:
            return f"{name} is {', '.join(found)}, but {whose} has {', '.join(wanted)}"
    if metadata.action_scale != expected.action_scale:
        found = format_scale(metadata.action_scale)
        return f"action_scale is {found}, but {whose} has {format_scale(expected.action_scale)}"
    if not any_rate and not np.isclose(metadata.control_rate_hz, expected.control_rate_hz):
        return f"control_rate_hz is {metadata.control_rate_hz:g}, but {whose} runs at {expected.control_rate_hz:g} Hz"
    return None


def require_layout(family: TaskFamily, dataset: Dataset, advice: str, *, any_rate: bool = False) -> None:
    """Refuse a dataset of another robot or scene than a family's.

    Args:
        family: whose simulated robot it must be of.
        dataset: its source is named.
        advice: whole sentences for the end of the message: who needs it, and what to do instead.
        any_rate: take another control rate.

    Raises:
        DatasetError: the dataset is not one of the family.
    """
    difference = layout_difference(family.robot, dataset.episodes[0].metadata, any_rate=any_rate)
    if difference is not None:
        robot = dataset.origin.get("robot")
        recorded = f"was recorded on {robot}" if robot else f"is not of the simulated {family.name}"
        raise DatasetError(f"{dataset.source} {recorded}: {difference}. {advice}")
