"""A dataset made by hand, so that tests of files need no simulation."""

from dataclasses import replace

import numpy as np

from spirl_ros.control.observation_fields import PICTURE, Field
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.episode import Episode, EpisodeMetadata
from spirl_ros.demonstrations.operator_style import OperatorStyle

METADATA = EpisodeMetadata(
    task=("kettle", "microwave"),
    operator="scripted",
    control_rate_hz=12.5,
    observation_names=("joint_a", "joint_b", "door"),
    joint_names=("joint_a", "joint_b"),
    joint_units=("rad", "m"),
    action_scale=2.0,
    completed_at_step={"microwave": 1, "kettle": 3},
    seed=7,
    operator_style=OperatorStyle(action_noise=0.2),
    measurement_noise={"robot_ratio": 0.01, "scene_ratio": 0.0005},
    mujoco_version="3.9.0",
)

FRONT = Field("front", (4, 6, 3), PICTURE, source="front_camera")
FORCE = Field("force", (2,), names=("pull", "push"), units=("N", "N"))
SEEING = replace(METADATA, more_fields=(FRONT, FORCE))
"""With two fields beside the state: a picture and a vector."""


def make_episode(steps: int, seed: int = 0, metadata: EpisodeMetadata = METADATA, **changes) -> Episode:
    generator = np.random.default_rng(seed)
    joints = len(metadata.joint_names)
    arrays = {
        "observations": generator.standard_normal((steps + 1, len(metadata.observation_names))),
        "actions": generator.uniform(-1.0, 1.0, (steps, joints)),
        "executed_actions": generator.uniform(-1.0, 1.0, (steps, joints)),
        "rewards": generator.integers(2, size=steps).astype(float),
        "terminated": True,
        "truncated": False,
    }
    more = np.random.default_rng((1, seed))
    arrays["fields"] = {
        one.name: more.integers(256, size=(steps + 1, *one.shape)).astype(one.dtype) for one in metadata.more_fields
    }
    return Episode(**{**arrays, **changes}, metadata=replace(metadata, seed=seed))


def make_dataset(lengths=(3, 5), metadata: EpisodeMetadata = METADATA) -> Dataset:
    episodes = tuple(make_episode(steps, seed, metadata) for seed, steps in enumerate(lengths))
    return Dataset(episodes, "kitchen", {"seed": 0, "dropped": {"failed": 2}})


def assert_same_episode(found: Episode, expected: Episode) -> None:
    for name in ("observations", "actions", "executed_actions", "rewards"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert (found.terminated, found.truncated) == (expected.terminated, expected.truncated)
    assert found.metadata == expected.metadata
    assert list(found.fields) == list(expected.fields)
    for name, values in expected.fields.items():
        assert found.fields[name].dtype == values.dtype
        np.testing.assert_array_equal(found.fields[name], values)
