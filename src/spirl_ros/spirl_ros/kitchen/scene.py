"""The kitchen's MuJoCo model, from the package gymnasium-robotics, and the facts read beside it."""

import functools
import importlib.util
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

from spirl_ros.errors import SceneError
from spirl_ros.kitchen.joint_limits import CONTROL_PERIOD_S, kitchen_joint_limits
from spirl_ros.tasks.mujoco_scene import MujocoScene, coordinate_names

INITIAL_POSITIONS = np.array(
    [0.148388023, -1.76848573, 1.84390296, -2.4768576, 0.260252026, 0.712533105, 1.59515394, 0.0479267505, 0.0371350919]
    + [-2.6627985e-4, -5.18043486e-5, 3.1287722e-5, -4.51199853e-5, -3.90842156e-6, -4.22629655e-5, 6.28065475e-5]
    + [4.04984708e-5, 4.62730939e-4, -2.26906415e-4, -4.65501369e-4, -6.44129196e-3, -1.77048263e-3, 1.08009684e-3]
    + [-0.26939744, 0.350383255, 1.61944683, 1.00618764, 4.0639512e-3, -6.62095997e-3, -2.68278933e-4]
)
"""Positions (30,) [rad, m] that every episode starts from (gymnasium-robotics, FrankaKitchen-v1)."""


@functools.cache
def load_kitchen_scene(*, with_visuals: bool = False) -> MujocoScene:
    """Compile the kitchen that the package gymnasium-robotics ships.

    Args:
        with_visuals: keep the geometry that is only looked at. Physics is the same to the last bit
            without it and about a sixth faster, so only viewers ask for it.

    Raises:
        SceneError: the package or the file is not there.
    """
    folder = kitchen_folder()
    spec = mujoco.MjSpec.from_file(str(folder / "kitchen_assets" / "kitchen_env_model.xml"))
    spec.compiler.discardvisual = not with_visuals
    model = spec.compile()
    joints = [model.joint(i) for i in range(model.njnt)]
    arm = [joint.name.removeprefix("robot:") for joint in joints if joint.name.startswith("robot:")]
    scene = [name for joint in joints[len(arm) :] for name in coordinate_names(model, joint)]
    limits = _RobotLimits.read(folder / "franka_assets" / "franka_config.xml")
    n = len(arm)
    return MujocoScene(
        model=model,
        joint_names=tuple(arm),
        scene_names=tuple(scene),
        limits=kitchen_joint_limits(tuple(arm), limits.position_lower[:n], limits.position_upper[:n]),
        initial_positions=INITIAL_POSITIONS,
        control_period_s=CONTROL_PERIOD_S,
        # FrankaKitchen-v1 takes the scene's position amplitudes one entry too early. We keep that: a seed gives its
        # numbers.
        position_noise=np.concatenate([limits.position_noise[:n], limits.position_noise[n - 1 :][: len(scene)]]),
        velocity_noise=limits.velocity_noise[: model.nv],
    )


def kitchen_folder() -> Path:
    """Folder of the kitchen's files, found without importing the package (that would register all its environments)."""
    package = importlib.util.find_spec("gymnasium_robotics")
    if package is None or package.origin is None:
        raise SceneError(
            "The kitchen scene comes with the package gymnasium-robotics, which is not installed. "
            "Install the simulation extra: pip install 'spirl_ros[sim]'."
        )
    folder = Path(package.origin).parent / "envs" / "assets" / "kitchen_franka"
    if not folder.is_dir():
        raise SceneError(f"gymnasium-robotics has no folder {folder}. Install the pinned version, 1.4.2.")
    return folder


@dataclass(frozen=True)
class _RobotLimits:
    position_lower: np.ndarray
    position_upper: np.ndarray
    position_noise: np.ndarray
    velocity_noise: np.ndarray

    @classmethod
    def read(cls, path: Path) -> "_RobotLimits":
        """Read the entries qpos0, qpos1, … of the robot's configuration, in that order."""
        entries = list(ElementTree.parse(path).getroot())
        bounds = np.array([[float(bound) for bound in entry.attrib["pos_bound"].split()] for entry in entries])
        return cls(
            position_lower=bounds[:, 0],
            position_upper=bounds[:, 1],
            position_noise=np.array([float(entry.attrib["pos_noise_amp"]) for entry in entries]),
            velocity_noise=np.array([float(entry.attrib["vel_noise_amp"]) for entry in entries]),
        )
