"""Reads HDF5 files of robomimic (Mandlekar et al. 2021, "What Matters in Learning from Offline Human Demonstrations").

A file has a group `data` with an episode in each `demo_N`: obs/robot0_joint_pos (T, n), obs/robot0_gripper_qpos (T, m),
rewards (T,) and actions of its environment's own kind, which are displacements of the hand as a rule. So of each
episode
the positions of the joints are read, of all robots in it, and actions are made of them (see joint_tracks). Where
next_obs is there, it has the positions after the last action.
"""

import json
import re
from pathlib import Path

import numpy as np

from spirl_ros.arms.robot_configuration import RobotConfiguration
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.formats.hdf5_source import Hdf5Group, open_hdf5
from spirl_ros.demonstrations.joint_tracks import JointTrack, dataset_of_tracks
from spirl_ros.errors import DatasetError

_DEFAULT_RATE_HZ = 20.0
"""robosuite's own control rate, where env_args names none."""
_EXPECTED = "Expected robomimic's groups data/demo_N with obs/robot0_joint_pos (T, joints)."
_ARM, _FINGERS = "joint_pos", "gripper_qpos"


def is_robomimic(path: Path) -> bool:
    """Whether an HDF5 file is one of robomimic. Raises DatasetError for what is no HDF5 file."""
    with open_hdf5(path) as file:
        return file.is_group("data") and bool(_episodes(file.group("data")))


def read_robomimic(path: Path, task: str | None = None, robot: RobotConfiguration | None = None) -> Dataset:
    """Read a file of robomimic.

    Args:
        path: the file.
        task: name of the dataset's task; None is the environment's name.
        robot: the arm that the demonstrations are for: it gives names and the control rate, and its joints must be as
            many as the file's, in the same order; a gripper is left out where the arm alone is as many. None takes
            everything as it is.

    Raises:
        DatasetError: another layout, values that are not finite, or motions that the robot cannot do.
    """
    with open_hdf5(path) as file:
        data = file.group("data")
        rate_hz, environment = _environment(data)
        parts = _parts(data, robot)
        tracks = [_track(data.group(name), parts) for name in _episodes(data)]
    names = [
        f"{part.split('_')[0]}_{'finger' if part.endswith(_FINGERS) else 'joint'}{number}"
        for part, size in parts
        for number in range(1, size + 1)
    ]
    units = ["m" if part.endswith(_FINGERS) else "rad" for part, size in parts for _ in range(size)]
    if robot is not None:
        names = list(robot.limits.joint_names)
    origin = {"imported_from": path.name, "environment": environment, **({"robot": robot.name} if robot else {})}
    try:
        return dataset_of_tracks(tracks, rate_hz, names, units, robot, task or environment or "robomimic", origin)
    except DatasetError as error:
        raise DatasetError(f"{path}: {error}") from error


def _episodes(data: Hdf5Group) -> list[str]:
    """Names of the episodes by their number."""
    numbered = {int(name[5:]): name for name in data.names() if re.fullmatch(r"demo_\d{1,9}", name)}
    return [numbered[number] for number in sorted(numbered)]


def _environment(data: Hdf5Group) -> tuple[float, str]:
    """Control rate [Hz] and name of the environment, which stand in env_args."""
    text = data.attributes().get("env_args", "{}")
    try:
        described = json.loads(text)
        rate_hz = float(described.get("env_kwargs", {}).get("control_freq", _DEFAULT_RATE_HZ))
        name = str(described.get("env_name", ""))
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        raise DatasetError(
            f"env_args of data is {str(text)[:200]!r}, expected JSON with env_kwargs: {error}"
        ) from error
    if not 0.0 < rate_hz < np.inf:
        raise DatasetError(f"control_freq in env_args of data is {rate_hz}, expected more than 0.")
    return rate_hz, name


def _parts(data: Hdf5Group, robot: RobotConfiguration | None) -> list[tuple[str, int]]:
    """Arrays of joint positions, and how many joints each has: of every robot the arm, then its fingers."""
    first = _episodes(data)[0]
    observed = data.group(f"{first}/obs")
    robots = sorted(
        name.removesuffix(f"_{_ARM}") for name in observed.names() if re.fullmatch(rf"robot\d+_{_ARM}", name)
    )
    if not robots:
        raise DatasetError(f"{observed.name} has {', '.join(observed.names()) or 'nothing'}. {_EXPECTED}")
    parts = [f"{name}_{part}" for name in robots for part in (_ARM, _FINGERS) if observed.is_array(f"{name}_{part}")]
    sizes = []
    for part in parts:
        shape = observed.shape(part)
        if shape is None or len(shape) != 2:
            raise DatasetError(f"{observed.name}/{part} has shape {shape}. {_EXPECTED}")
        sizes.append((part, shape[1]))
    if robot is None:
        return sizes
    joints = len(robot.limits.joint_names)
    for choice in (sizes, [entry for entry in sizes if entry[0].endswith(_ARM)]):
        if sum(size for _, size in choice) == joints:
            return choice
    found = ", ".join(f"{part} with {size}" for part, size in sizes)
    raise DatasetError(f"{observed.name} has {found} joints, but {robot.name} has {joints}. Choose another --robot.")


def _track(episode: Hdf5Group, parts: list[tuple[str, int]]) -> JointTrack:
    columns = []
    for part, size in parts:
        arrays = [f"obs/{part}", *([f"next_obs/{part}"] if episode.is_array(f"next_obs/{part}") else [])]
        observed = [episode.array(name) for name in arrays]
        for name, values in zip(arrays, observed, strict=True):
            if values.ndim != 2 or values.shape[1] != size:
                raise DatasetError(f"{episode.name}/{name} has shape {values.shape}, expected (T, {size}).")
        positions = np.concatenate((observed[0], *(values[-1:] for values in observed[1:])))
        columns.append(positions.astype(np.float64))
    lengths = {len(column) for column in columns}
    if len(lengths) > 1:
        raise DatasetError(f"arrays in {episode.name}/obs have {sorted(lengths)} rows, expected the same in all.")
    steps = lengths.pop() - 1
    rewards = episode.array("rewards") if episode.is_array("rewards") else np.zeros(max(0, steps))
    if rewards.ndim != 1 or len(rewards) < steps:
        raise DatasetError(f"{episode.name}/rewards has shape {rewards.shape}, expected ({steps},) or one more.")
    return JointTrack(episode.name, np.concatenate(columns, axis=1), rewards)
