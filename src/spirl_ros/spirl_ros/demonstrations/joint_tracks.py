"""Makes a dataset of joint positions at a steady rate, for sources whose own actions mean something else than ours.

As in recordings of an arm, an action is the velocity that leads from one position to the next (see VelocityAction); the
last position of an episode has no action.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spirl_ros.arms.robot_configuration import RobotConfiguration
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.episode import Episode, EpisodeMetadata
from spirl_ros.demonstrations.possible_motion import possible_positions, require_speed
from spirl_ros.errors import DatasetError

_FURTHEST = {"rad": 4.0 * np.pi, "m": 50.0}
"""No joint is further from its zero; what is, is in degrees, mm, percent or counts."""


@dataclass(frozen=True)
class JointTrack:
    """What one episode of a source holds for us."""

    name: str
    """For messages."""
    positions: np.ndarray
    """(T+1, Da) [rad, m]."""
    rewards: np.ndarray
    """(T,) or one more: for what each action completed."""
    task: str = ""
    """What was to be done, in the source's words; empty when it does not say."""
    is_success: bool | None = None
    """Whether it succeeded, as the source says; None when it does not say."""


def dataset_of_tracks(
    tracks: Sequence[JointTrack],
    rate_hz: float,
    joint_names: Sequence[str],
    joint_units: Sequence[str],
    robot: RobotConfiguration | None,
    task: str,
    origin: Mapping[str, Any],
) -> Dataset:
    """A dataset of the positions alone.

    Args:
        tracks: the episodes.
        rate_hz: positions per second.
        joint_names: of the positions (Da), which are the robot's where there is one.
        joint_units: `rad` or `m` (Da), where there is no robot that says it.
        robot: says how fast an action of 1 is, the control rate, and where the joints can be; None takes the rate of
            the source, and lets an action of 1 be the fastest motion in it.
        task: name of the dataset's task.
        origin: how it was made, for people.

    Raises:
        DatasetError: an episode that no arm can have done, or none; the message names it.
    """
    long_enough = [track for track in tracks if len(track.positions) > 1]
    if not long_enough:
        raise DatasetError(f"it has {len(tracks)} episodes of one position at most, expected some of two or more.")
    control_rate_hz = rate_hz if robot is None else robot.control_rate_hz
    if robot is not None:
        joint_units = robot.units
        long_enough = [_possible(track, rate_hz, robot) for track in long_enough]
    for track in long_enough:
        _require_near(track, joint_names, joint_units)
    sampled = [_sampled(track, rate_hz, control_rate_hz) for track in long_enough]
    velocities = [np.diff(positions, axis=0) * control_rate_hz for positions, _ in sampled]
    scale = _fastest(velocities) if robot is None else robot.velocity_scale
    episodes = []
    for track, (observations, rewards), velocity in zip(long_enough, sampled, velocities, strict=True):
        actions = velocity / np.asarray(scale)
        if robot is not None:
            with _naming(track):
                require_speed(actions, _times_s(track, rate_hz), track.positions, robot)
        metadata = EpisodeMetadata(
            task=(track.task,) if track.task else (),
            operator=f"imported from {origin['imported_from']}",
            control_rate_hz=control_rate_hz,
            observation_names=tuple(joint_names),
            joint_names=tuple(joint_names),
            joint_units=tuple(joint_units),
            action_scale=scale,
            is_success=track.is_success,
        )
        is_done = track.is_success is True
        episodes.append(Episode(observations, actions, actions, rewards, is_done, not is_done, metadata))
    dropped = {"a single position": len(tracks) - len(long_enough)}
    return Dataset(tuple(episodes), task, {**origin, "dropped": dropped})


def _sampled(track: JointTrack, rate_hz: float, control_rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Positions (T+1, Da) and rewards (T,) at another rate: straight lines between, each reward where it fell."""
    count = len(track.positions)
    if math.isclose(rate_hz, control_rate_hz):
        return track.positions, track.rewards[: count - 1]
    steps = int((count - 1) / rate_hz * control_rate_hz + 1e-6)
    if steps < 1:
        raise DatasetError(
            f"{track.name} lasts {(count - 1) / rate_hz:.3f} s, expected at least {1.0 / control_rate_hz:.3f} s."
        )
    moments = np.arange(steps + 1) * rate_hz / control_rate_hz
    positions = np.stack([np.interp(moments, np.arange(count), column) for column in track.positions.T], axis=1)
    rewards = np.zeros(steps)
    where = (np.arange(count - 1) * control_rate_hz / rate_hz).astype(int)
    np.add.at(rewards, np.minimum(where, steps - 1), track.rewards[: count - 1])
    return positions, rewards


def _fastest(velocities: Sequence[np.ndarray]) -> float:
    """The fastest motion, rounded up to two digits [rad/s, m/s]; 1 where nothing moves."""
    fastest = max(float(np.abs(velocity).max()) for velocity in velocities)
    if not fastest > 0.0:
        return 1.0
    unit = 10.0 ** (math.floor(math.log10(fastest)) - 1)
    return float(f"{math.ceil(fastest / unit * (1.0 - 1e-12)) * unit:.6g}")


def _possible(track: JointTrack, rate_hz: float, robot: RobotConfiguration) -> JointTrack:
    """The track with endless joints unwrapped; raises DatasetError where the robot cannot have made it."""
    _require_finite(track, robot.limits.joint_names)
    with _naming(track):
        positions = possible_positions(_times_s(track, rate_hz), track.positions, robot)
    return replace(track, positions=positions)


def _times_s(track: JointTrack, rate_hz: float) -> np.ndarray:
    return np.arange(len(track.positions)) / rate_hz


@contextmanager
def _naming(track: JointTrack) -> Iterator[None]:
    """Put the track's name in front of an error."""
    try:
        yield
    except DatasetError as error:
        raise DatasetError(f"{track.name}: {error}") from error


def _require_finite(track: JointTrack, names: Sequence[str]) -> None:
    positions = track.positions
    if not np.isfinite(positions).all():
        row, joint = (int(i) for i in np.argwhere(~np.isfinite(positions))[0])
        raise DatasetError(f"{track.name}: {names[joint]} is {positions[row, joint]} in frame {row}, expected finite.")


def _require_near(track: JointTrack, names: Sequence[str], units: Sequence[str]) -> None:
    """Refuse positions that no joint of any arm has."""
    _require_finite(track, names)
    beyond = np.abs(track.positions) - np.array([_FURTHEST[unit] for unit in units])
    row, joint = (int(i) for i in np.unravel_index(np.argmax(beyond), beyond.shape))
    if beyond[row, joint] > 0.0:
        furthest = _FURTHEST[units[joint]]
        raise DatasetError(
            f"{track.name}: {names[joint]} is at {track.positions[row, joint]:.4g} in frame {row}, outside "
            f"{-furthest:.3g} to "
            f"{furthest:.3g} {units[joint]}. Is it in degrees or percent? Convert the positions to rad and m first."
        )
