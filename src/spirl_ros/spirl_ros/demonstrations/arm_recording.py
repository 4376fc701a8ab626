"""Turns recordings of a real arm into episodes, from its joint states alone: however it was moved, that is what it did.

By hand, by the vendor's guiding mode or by another teleoperation: a recording needs nothing but `joint_states`. The
motion is read at the control rate of skills for this arm, by straight lines between the measurements around each
moment, and an action is the velocity that leads from one moment to the next (see VelocityAction).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spirl_ros.arms.robot_configuration import RobotConfiguration
from spirl_ros.control.observation import ObservationAssembler
from spirl_ros.control.velocity_action import VelocityAction
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.episode import Episode, EpisodeMetadata
from spirl_ros.demonstrations.formats.bag_import import require_some
from spirl_ros.demonstrations.formats.bag_messages import (
    BagMessages,
    other_definition,
    read_bag_messages,
    stamp_ns,
    states_of,
)
from spirl_ros.demonstrations.measuring_times import Stamped, measuring_times
from spirl_ros.demonstrations.possible_motion import possible_positions, require_speed
from spirl_ros.demonstrations.recordings import look_at_all
from spirl_ros.errors import DatasetError, ObservationError
from spirl_ros.files.plain_yaml import printable

_JOINT_STATE = "sensor_msgs/msg/JointState"
_LONGEST_GAP = 2.5
"""Control periods between two measurements: at 2 rad/s2, a straight line over 0.125 s is at most 4 mrad off."""


def import_arm_recordings(
    paths: Sequence[Path],
    robot: RobotConfiguration,
    task: str | None = None,
    keep_truncated: bool = False,
    only_successful: bool = False,
    skip_bad: bool = False,
) -> Dataset:
    """Read bags of an arm, each of them one episode.

    Args:
        paths: each a bag's folder, an .mcap file, or a folder in which bags are.
        robot: the arm; says which topic, which joints, and how fast an action of 1 is.
        task: name of what was demonstrated; None is the one that was recorded first.
        keep_truncated: take what is whole of truncated files.
        only_successful: leave out what was not finished as success.
        skip_bad: leave out recordings that cannot be used; the dataset's origin says why.

    Raises:
        DatasetError: some of them cannot be used, without `skip_bad`, or none; the message names each.
    """
    topic = robot.joint_state_topic.strip("/")

    def read(bag: Path) -> tuple[str | None, Episode | None, tuple[str, ...]]:
        messages = read_bag_messages(bag, keep_truncated, {topic: _JOINT_STATE}, needed=(topic,))
        if only_successful and not messages.is_success:
            return None, None, ()
        try:
            return messages.details.get("task"), *_episode(messages, topic, robot)
        except DatasetError as error:
            raise DatasetError(f"{bag}: {error}") from error
        except AttributeError as error:
            raise other_definition(bag, error) from error

    recordings = look_at_all(paths, read, skip_bad)
    episodes = [episode for _, episode, _ in recordings.read.values() if episode is not None]
    failed = len(recordings.read) - len(episodes)
    require_some(episodes, failed)
    task = task or next((recorded for recorded, _, _ in recordings.read.values() if recorded), robot.name)
    origin = recordings.origin({"not successful": failed}) | {"robot": robot.name}
    if clocks := [f"{bag.name}: {note}" for bag, (_, _, notes) in recordings.read.items() for note in notes]:
        origin["clocks"] = clocks
    return Dataset(tuple(episodes), task, origin)


def _episode(messages: BagMessages, topic: str, robot: RobotConfiguration) -> tuple[Episode, tuple[str, ...]]:
    """The episode, and what was wrong with its stamps."""
    period_s, names = 1.0 / robot.control_rate_hz, robot.limits.joint_names
    stamped, measured = _measurements(messages, topic, names)
    chosen, times_s, notes = measuring_times(stamped, measured, _LONGEST_GAP * period_s)
    measured = measured[chosen]
    _require_rate(times_s, period_s, topic)
    measured = possible_positions(times_s, measured, robot)
    steps = int((times_s[-1] - times_s[0]) / period_s + 1e-6)
    if steps < 1:
        raise DatasetError(f"it lasts {times_s[-1] - times_s[0]:.3f} s, expected at least {period_s:.3f} s.")
    moments_s = times_s[0] + period_s * np.arange(steps + 1)
    observations = np.stack([np.interp(moments_s, times_s, column) for column in measured.T], axis=1)
    meaning = VelocityAction(robot.limits.position_lower, robot.limits.position_upper, period_s, robot.velocity_scale)
    actions = meaning.action(observations[1:], observations[:-1])
    require_speed(actions, times_s, measured, robot)
    metadata = EpisodeMetadata(
        task=(),
        operator=messages.details.get("operator") or f"recorded in {messages.path.name}",
        control_rate_hz=robot.control_rate_hz,
        observation_names=names,
        joint_names=names,
        joint_units=robot.units,
        action_scale=robot.velocity_scale,
        is_success=messages.verdict,
    )
    episode = Episode(
        observations, actions, actions, np.zeros(steps), messages.is_success, not messages.is_success, metadata
    )
    return episode, notes


def _measurements(messages: BagMessages, topic: str, names: tuple[str, ...]) -> tuple[list[Stamped], np.ndarray]:
    """Times and positions (N, Da) [rad, m] of every joint state."""
    assembler = ObservationAssembler(names, ())
    stamped: list[Stamped] = []
    positions = []
    for number, received in states_of(names, messages.by_role[topic]):
        content, measured_ns = received.content, stamp_ns(received.content)
        if set(names).isdisjoint(content.name):
            raise DatasetError(
                f"message {number} on {topic}: measurement lacks {', '.join(names)}; it has "
                f"{printable(', '.join(content.name)) or 'no names'}. It was "
                "recorded from another arm: give only recordings of this one."
            )
        try:
            assembler.update_joint_state(content.name, content.position, measured_ns, received.sent_ns * 1e-9)
        except ObservationError as error:
            raise DatasetError(
                f"message {number} on {topic}: {printable(str(error))} Expected a finite position of every joint."
            ) from error
        stamped.append(Stamped(measured_ns, received.sent_ns, received.received_ns))
        positions.append(assembler.joint_positions())
    return stamped, np.array(positions)


def _require_rate(times_s: np.ndarray, period_s: float, topic: str) -> None:
    """Refuse a gap in which the arm could have been anywhere."""
    gaps_s, longest_s = np.diff(times_s), _LONGEST_GAP * period_s
    if gaps_s.size and gaps_s.max() > longest_s:
        worst = int(gaps_s.argmax())
        raise DatasetError(
            f"there is no message on {topic} for {gaps_s[worst]:.3f} s, {times_s[worst]:.3f} s after the first, "
            "expected one "
            f"at least every {longest_s:.3f} s. Record the arm's fastest joint states, on a computer that keeps up."
        )
