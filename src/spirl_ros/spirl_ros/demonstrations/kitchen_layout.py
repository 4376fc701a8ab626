"""Which datasets are of the simulated kitchen: the same joints and scene, the same rate, the same meaning of an action."""

import numpy as np

from spirl_ros.control.velocity_action import format_scale
from spirl_ros.demonstrations.collection import kitchen_metadata
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.episode import EpisodeMetadata
from spirl_ros.errors import DatasetError
from spirl_ros.tasks.kitchen.scene import load_kitchen_scene


def kitchen_difference(metadata: EpisodeMetadata, *, any_rate: bool = False) -> str | None:
    """The first thing in which an episode differs from the simulated kitchen's, with both values; None for its own.

    Args:
        metadata: of the episode.
        any_rate: do not look at the control rate.
    """
    expected = kitchen_metadata(load_kitchen_scene())
    for name in ("observation_names", "joint_names"):
        found, wanted = getattr(metadata, name), getattr(expected, name)
        if found != wanted:
            return f"{name} is {', '.join(found)}, but the simulated kitchen has {', '.join(wanted)}"
    if metadata.action_scale != expected.action_scale:
        found = format_scale(metadata.action_scale)
        return f"action_scale is {found}, but the simulated kitchen has {format_scale(expected.action_scale)}"
    if not any_rate and not np.isclose(metadata.control_rate_hz, expected.control_rate_hz):
        return (
            f"control_rate_hz is {metadata.control_rate_hz:g}, but the simulated kitchen runs at "
            f"{expected.control_rate_hz:g} Hz"
        )
    return None


def require_kitchen(dataset: Dataset, advice: str, *, any_rate: bool = False) -> None:
    """Refuse a dataset of another robot or scene.

    Args:
        dataset: its source is named.
        advice: whole sentences for the end of the message: who needs the kitchen, and what to do instead.
        any_rate: take another control rate.

    Raises:
        DatasetError: the dataset is not one of the kitchen.
    """
    difference = kitchen_difference(dataset.episodes[0].metadata, any_rate=any_rate)
    if difference is not None:
        robot = dataset.origin.get("robot")
        recorded = f"was recorded on {robot}" if robot else "is not of the simulated kitchen"
        raise DatasetError(f"{dataset.source} {recorded}: {difference}. {advice}")
