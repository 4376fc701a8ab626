"""The kitchen's MuJoCo model and the facts read from it: joints, coordinates, limits, noise."""

import functools
import importlib.util
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

from spirl_ros.errors import SceneError

CONTROL_PERIOD_S = 0.08
"""One control step: 40 physics steps of 2 ms, 12.5 Hz, as in D4RL's kitchen."""

INITIAL_POSITIONS = np.array(
    [0.148388023, -1.76848573, 1.84390296, -2.4768576, 0.260252026, 0.712533105, 1.59515394, 0.0479267505, 0.0371350919]
    + [-2.6627985e-4, -5.18043486e-5, 3.1287722e-5, -4.51199853e-5, -3.90842156e-6, -4.22629655e-5, 6.28065475e-5]
    + [4.04984708e-5, 4.62730939e-4, -2.26906415e-4, -4.65501369e-4, -6.44129196e-3, -1.77048263e-3, 1.08009684e-3]
    + [-0.26939744, 0.350383255, 1.61944683, 1.00618764, 4.0639512e-3, -6.62095997e-3, -2.68278933e-4]
)
"""Positions (30,) [rad, m] that every episode starts from (gymnasium-robotics, FrankaKitchen-v1)."""

_FREE_JOINT_COORDINATES = ("x", "y", "z", "qw", "qx", "qy", "qz")


@dataclass(frozen=True)
class KitchenScene:
    """The compiled model and what the task needs to know of it. Read-only, shared between simulations and threads."""

    model: mujoco.MjModel
    joint_names: tuple[str, ...]
    """The arm's 9 joints: 7 of the arm, 2 fingers. They are the model's first coordinates."""
    scene_names: tuple[str, ...]
    """The 21 coordinates of everything else, in the model's order. The kettle is x, y, z, qw, qx, qy, qz."""
    position_lower: np.ndarray
    """Smallest joint command (9,) [rad, m], from the robot's configuration beside the scene."""
    position_upper: np.ndarray
    """Largest joint command (9,) [rad, m]."""
    position_noise: np.ndarray
    """Half-width of the measurement noise per position (30,) at ratio 1 [rad, m]."""
    velocity_noise: np.ndarray
    """Half-width of the measurement noise per velocity (29,) at ratio 1 [rad/s, m/s]."""

    @property
    def joint_count(self) -> int:
        """Number of joints of the arm, fingers included."""
        return len(self.joint_names)

    @property
    def physics_steps_per_control_step(self) -> int:
        """Physics steps in one control step."""
        return round(CONTROL_PERIOD_S / self.model.opt.timestep)


@functools.cache
def load_kitchen_scene(*, with_visuals: bool = False) -> KitchenScene:
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
    scene = [name for joint in joints[len(arm) :] for name in _coordinate_names(model, joint)]
    limits = _RobotLimits.read(folder / "franka_assets" / "franka_config.xml")
    n = len(arm)
    return KitchenScene(
        model=model,
        joint_names=tuple(arm),
        scene_names=tuple(scene),
        position_lower=limits.position_lower[:n],
        position_upper=limits.position_upper[:n],
        # FrankaKitchen-v1 takes the scene's position amplitudes one entry too early. We keep that: a seed gives its numbers.
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


def _coordinate_names(model: mujoco.MjModel, joint) -> list[str]:
    if int(model.jnt_type[joint.id]) == int(mujoco.mjtJoint.mjJNT_FREE):
        return [f"{joint.name}_{coordinate}" for coordinate in _FREE_JOINT_COORDINATES]
    return [joint.name]


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
