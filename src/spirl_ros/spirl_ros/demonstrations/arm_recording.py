"""Turns recordings of a real arm into episodes, from its joint states alone: however it was moved, that is what it did.

By hand, by the vendor's guiding mode or by another teleoperation: a recording needs nothing but `joint_states`. The
motion is read at the control rate of skills for this arm, by straight lines between the measurements around each
moment, and an action is the velocity that leads from one moment to the next (see VelocityAction).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spirl_ros.arms.robot_configuration import RobotConfiguration
from spirl_ros.control.observation import ObservationAssembler
from spirl_ros.control.observation_fields import Field
from spirl_ros.control.velocity_action import VelocityAction
from spirl_ros.demonstrations.arm_cameras import arm_camera
from spirl_ros.demonstrations.asked_pictures import AS_USUAL, AskedPictures
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.episode import Episode, EpisodeMetadata
from spirl_ros.demonstrations.formats.bag_cameras import cameras_in
from spirl_ros.demonstrations.formats.bag_import import require_some
from spirl_ros.demonstrations.formats.bag_messages import (
    BagMessages,
    other_definition,
    read_bag_messages,
    stamp_ns,
    states_of,
)
from spirl_ros.demonstrations.measuring_times import MeasuringTimes, Stamped, measuring_times
from spirl_ros.demonstrations.picture_times import ArmTimes
from spirl_ros.demonstrations.possible_motion import possible_positions, require_speed
from spirl_ros.demonstrations.recordings import look_at_all
from spirl_ros.errors import DatasetError, ObservationError
from spirl_ros.files.plain_yaml import printable

_JOINT_STATE = "sensor_msgs/msg/JointState"
_LONGEST_GAP = 2.5
"""Control periods between two measurements: at 2 rad/s2, a straight line over 0.125 s is at most 4 mrad off."""
_LATE_NS = 500_000_000
"""A recording whose pictures begin later is told [ns]."""


class _Motion(NamedTuple):
    """What joint states tell."""

    times: MeasuringTimes
    """Of M measurements."""
    received_ns: np.ndarray
    """(M,) when each was received [ns]."""
    positions: np.ndarray
    """(M, Da) [rad, m]."""


class _Read(NamedTuple):
    """What an import takes from a bag."""

    task: str | None
    episode: Episode
    clocks: tuple[str, ...]
    """What was wrong with the stamps of joint states."""
    pictures: tuple[str, ...]
    """What there is to say about its cameras."""
    cameras: dict[str, str]
    """What each of those that were taken sends."""
    left_out: dict[str, int]
    """Cameras that were not taken, and how many pictures they have."""


def import_arm_recordings(
    paths: Sequence[Path],
    robot: RobotConfiguration,
    task: str | None = None,
    keep_truncated: bool = False,
    only_successful: bool = False,
    skip_bad: bool = False,
    pictures: AskedPictures = AS_USUAL,
) -> Dataset:
    """Read bags of an arm, each of them one episode.

    Args:
        paths: each a bag's folder, an .mcap file, or a folder in which bags are.
        robot: the arm; says which topic, which joints, and how fast an action of 1 is.
        task: name of what was demonstrated; None is the one that was recorded first.
        keep_truncated: take what is whole of truncated files.
        only_successful: leave out what was not finished as success.
        skip_bad: leave out recordings that cannot be used; the dataset's origin says why.
        pictures: which cameras' become fields. An episode begins when each of these has a picture.

    Raises:
        ConfigError: pictures take more memory than there is.
        DatasetError: some of them cannot be used, without `skip_bad`, or none; the message names each.
    """
    topic = robot.joint_state_topic.strip("/")
    fields: dict[str, Field] = {}

    def read(bag: Path) -> _Read | None:
        messages = read_bag_messages(bag, keep_truncated, {topic: _JOINT_STATE}, needed=(topic,))
        if only_successful and not messages.is_success:
            return None
        with _naming(bag):
            motion = _motion(messages, topic, robot)
            cameras = pictures.of_arm(messages.topics)
        arm = ArmTimes(motion.times.times_ns, motion.received_ns)
        recorded = [arm_camera(messages, camera, arm, pictures, fields) for camera in cameras]
        begin_ns = max([motion.times.begin_ns, *(int(one.taken.times_ns[0]) for one in recorded)])
        with _naming(bag):
            episode = _episode(messages, motion, begin_ns, robot)
        period_ns, since_ns = 1e9 / robot.control_rate_hz, begin_ns - motion.times.begin_ns
        moments_ns = begin_ns + np.rint(period_ns * np.arange(episode.steps + 1)).astype(np.int64)
        notes = [f"begins {since_ns * 1e-9:.3f} s later, with its pictures"] if since_ns > _LATE_NS else []
        for one in recorded:
            numbers = one.numbers_at(moments_ns, pictures.max_age_s)
            (episode,) = one.of_episodes([episode], [numbers])
            notes += [f"camera '{one.described.source}': {note}" for note in one.taken.notes]
        fields.update((one.described.name, one.described) for one in recorded)
        sent = {one.described.source: one.sends for one in recorded}
        left_out = {name: count for name, count in cameras_in(messages.topics).items() if name not in sent}
        return _Read(messages.details.get("task"), episode, motion.times.notes, tuple(notes), sent, left_out)

    recordings = look_at_all(paths, read, skip_bad)
    used = {bag: one for bag, one in recordings.read.items() if one is not None}
    failed = len(recordings.read) - len(used)
    require_some([one.episode for one in used.values()], failed)
    task = task or next((one.task for one in used.values() if one.task), robot.name)
    origin = recordings.origin({"not successful": failed}) | {"robot": robot.name}
    told = {
        "clocks": [f"{bag.name}: {note}" for bag, one in used.items() for note in one.clocks],
        "pictures": [f"{bag.name}: {note}" for bag, one in used.items() for note in one.pictures],
        "cameras": next(iter(used.values())).cameras,
    }
    if pictures.cameras is None:  # nobody said what to do with them
        told["cameras_left_out"] = sorted({name for one in used.values() for name in one.left_out})
    return Dataset(
        tuple(one.episode for one in used.values()), task, origin | {name: v for name, v in told.items() if v}
    )


@contextmanager
def _naming(bag: Path) -> Iterator[None]:
    """Say which recording cannot be used."""
    try:
        yield
    except DatasetError as error:
        raise DatasetError(f"{bag}: {error}") from error
    except AttributeError as error:
        raise other_definition(bag, error) from error


def _motion(messages: BagMessages, topic: str, robot: RobotConfiguration) -> _Motion:
    period_s = 1.0 / robot.control_rate_hz
    stamped, measured = _measurements(messages, topic, robot.limits.joint_names)
    times = measuring_times(stamped, measured, _LONGEST_GAP * period_s)
    _require_rate(times.times_s, period_s, topic)
    positions = possible_positions(times.times_s, measured[times.indices], robot)
    received_ns = np.array([one.received_ns for one in stamped], dtype=np.int64)[times.indices]
    return _Motion(times, received_ns, positions)


def _episode(messages: BagMessages, motion: _Motion, begin_ns: int, robot: RobotConfiguration) -> Episode:
    """The motion from a moment on."""
    period_s, names = 1.0 / robot.control_rate_hz, robot.limits.joint_names
    times_s, measured = motion.times.times_s, motion.positions
    begin_s = (begin_ns - motion.times.begin_ns) * 1e-9
    steps = int((times_s[-1] - begin_s) / period_s + 1e-6)
    if steps < 1:
        since = ", from the first picture of every camera on" if begin_s else ""
        lasts_s = max(0.0, times_s[-1] - begin_s)
        raise DatasetError(f"it lasts {lasts_s:.3f} s{since}, expected at least {period_s:.3f} s.")
    moments_s = begin_s + period_s * np.arange(steps + 1)
    observations = np.stack([np.interp(moments_s, times_s, column) for column in measured.T], axis=1)
    meaning = VelocityAction(robot.limits.position_lower, robot.limits.position_upper, period_s, robot.velocity_scale)
    actions = meaning.action(observations[1:], observations[:-1])
    is_later = times_s >= begin_s
    require_speed(actions, times_s[is_later] - begin_s, measured[is_later], robot)
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
    return Episode(
        observations, actions, actions, np.zeros(steps), messages.is_success, not messages.is_success, metadata
    )


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
