"""What a simulator and a scripted operator say of themselves, as JSON in std_msgs/String, and how a recording is read.

Recordings of real arms, and from before there were such messages, lack both; a person's lack the style.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import mujoco
import numpy as np

from spirl_ros.demonstrations.operator_style import OperatorStyle
from spirl_ros.errors import ConfigError, DatasetError
from spirl_ros.tasks.task import MeasurementNoise

if TYPE_CHECKING:  # A simulator reads no bags.
    from spirl_ros.demonstrations.formats.bag_messages import Received

SIMULATOR_DESCRIPTION, OPERATOR_STYLE = "simulator_description", "operator_style"
"""Topics. The simulator sends its once, the operator at the beginning of every episode."""

DESCRIPTION_ROLES = {SIMULATOR_DESCRIPTION: "std_msgs/msg/String", OPERATOR_STYLE: "std_msgs/msg/String"}
"""End of a topic's name, and its type."""


def describe_simulator(noise: Mapping[str, float], mujoco_version: str = mujoco.__version__) -> str:
    """What, beside its seed, decides what a simulated episode measures: fields of a MeasurementNoise."""
    return json.dumps({"mujoco_version": mujoco_version, "measurement_noise": dict(noise)})


def describe_style(style: OperatorStyle) -> str:
    """How an operator varies."""
    return json.dumps(asdict(style))


def described(by_role: Mapping[str, Sequence["Received"]], begin_ns: int, end_ns: int) -> dict[str, Any]:
    """What was said of an episode from its first to its last task status [ns], as fields of EpisodeMetadata.

    A style that was sent before is of an earlier episode: this one may be a person's.

    Raises:
        DatasetError: something else was said than is understood.
    """
    simulators = [said for said in by_role[SIMULATOR_DESCRIPTION] if said.sent_ns < end_ns]
    styles = [said for said in by_role[OPERATOR_STYLE] if begin_ns <= said.sent_ns < end_ns]
    known: dict[str, Any] = {}
    if simulators:
        known |= _understood(SIMULATOR_DESCRIPTION, simulators[-1].content.data, _simulator)
    if styles:
        known |= _understood(OPERATOR_STYLE, styles[-1].content.data, _style)
    return known


def _simulator(said: dict[str, Any]) -> dict[str, Any]:
    noise = asdict(MeasurementNoise(**{name: float(ratio) for name, ratio in dict(said["measurement_noise"]).items()}))
    if not all(0.0 <= ratio < np.inf for ratio in noise.values()):
        raise ValueError("expected ratios of 0 or more")
    return {"mujoco_version": str(said["mujoco_version"]), "measurement_noise": noise}


def _style(said: dict[str, Any]) -> dict[str, Any]:
    return {"operator_style": OperatorStyle(**{**said, "speed_range": tuple(said["speed_range"])})}


def _understood(topic: str, text: str, meaning: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    try:
        return meaning(json.loads(text))
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, ConfigError) as error:
        raise DatasetError(
            f"{topic} is {text!r:.200}, which cannot be read ({type(error).__name__}: {error}). It was recorded with "
            "another version of this package, or the file is damaged."
        ) from error
