"""A family of another package, small enough to be seen through: two joints turn, and a drawer follows the first one.

Nothing of it is the kitchen's: other joints, another control period, no mesh files, and a tool that is a body.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import mujoco
import numpy as np

from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.observation_fields import PICTURE, STATE, Field
from spirl_ros.tasks.mujoco_family import MujocoFamily
from spirl_ros.tasks.mujoco_scene import MujocoScene
from spirl_ros.tasks.task import Operator

MODEL = """
<mujoco model="small">
  <compiler angle="radian" autolimits="true"/>
  <option timestep="0.002"/>
  <default><geom contype="0" conaffinity="0"/></default>
  <worldbody>
    <geom type="plane" size="1 1 0.1"/>
    <camera name="above" pos="0.3 0.2 1.5"/>
    <body name="upper" pos="0 0 0.1">
      <joint name="shoulder" axis="0 0 1" range="-2 2" damping="2"/>
      <geom type="capsule" fromto="0 0 0 0.3 0 0" size="0.03" rgba="1 0 0 1"/>
      <body name="lower" pos="0.3 0 0">
        <joint name="elbow" axis="0 0 1" range="-2 2" damping="2"/>
        <geom type="capsule" fromto="0 0 0 0.3 0 0" size="0.02"/>
      </body>
    </body>
    <body name="box" pos="0.5 0.5 0.1">
      <joint name="drawer" type="slide" axis="0 1 0" damping="1"/>
      <geom type="box" size="0.05 0.1 0.05"/>
    </body>
  </worldbody>
  <equality><joint joint1="drawer" joint2="shoulder" polycoef="0 0.1 0 0 0"/></equality>
  <actuator>
    <position joint="shoulder" kp="60"/>
    <position joint="elbow" kp="60"/>
  </actuator>
</mujoco>
"""
JOINTS = ("shoulder", "elbow")


class SmallOperator:
    """Turns the shoulder until the drawer is where it should be."""

    current_subtask: str | None = None

    def __init__(self) -> None:
        self._motion: Iterator[float] = iter(())
        self._drawer = 0.0
        self._action = np.zeros(2)

    @property
    def intended_action(self) -> np.ndarray:
        return self._action.copy()

    def start(self, subtasks: Sequence[str], seed: int) -> None:
        self._motion = self._move(tuple(subtasks))

    def act(self, observation: np.ndarray) -> np.ndarray | None:
        self._drawer = observation[2]
        speed = next(self._motion, None)
        if speed is None:
            return None
        self._action = np.array([speed, 0.0])
        return self._action.copy()

    def _move(self, subtasks: tuple[str, ...]) -> Iterator[float]:
        for subtask in subtasks:
            self.current_subtask = subtask
            sign = 1.0 if subtask == "out" else -1.0
            while sign * self._drawer < 0.055:
                yield sign
        self.current_subtask = None


class SmallFamily(MujocoFamily):
    """Pull a drawer out and push it in."""

    name = "small"
    subtasks: tuple[str, ...] = ("out", "in")
    tasks: Mapping[str, tuple[str, ...]] = {"out_in": ("out", "in"), "out": ("out",)}
    max_steps = 90
    velocity_scale = 1.0

    def make_scene(self, *, with_visuals: bool = False) -> MujocoScene:
        model = mujoco.MjModel.from_xml_string(MODEL)
        limit = np.full(2, 2.0)
        return MujocoScene(
            model=model,
            joint_names=JOINTS,
            scene_names=("drawer",),
            limits=JointLimits(
                joint_names=JOINTS,
                position_lower=-limit,
                position_upper=limit,
                velocity=limit,
                acceleration=50.0 * limit,
                jerk=5000.0 * limit,
            ),
            initial_positions=np.zeros(3),
            control_period_s=0.04,
            position_noise=np.zeros(3),
            velocity_noise=np.zeros(3),
        )

    def done_now(self, positions: np.ndarray) -> set[str]:
        drawer = positions[2]
        return {name for name, is_done in (("out", drawer > 0.05), ("in", drawer < -0.05)) if is_done}

    def operator(self, style) -> Operator:
        return SmallOperator()


class ArmAlone(SmallFamily):
    """A real robot: nothing to simulate, nobody who demonstrates, nothing to show."""

    name = "alone"

    def environment(self, config=None):
        return None

    def operator(self, style):
        return None

    def view(self):
        return None


class SeenFamily(SmallFamily):
    """The same, with a picture that MuJoCo draws."""

    name = "seen"
    more_fields = (Field("view", (48, 64, 3), PICTURE, source="above"),)
    seen_by_policy = seen_by_critic = (STATE, "view")


SMALL, ALONE, SEEN = SmallFamily(), ArmAlone(), SeenFamily()


def install(folder: Path) -> Path:
    """What pip would leave of a package with these families in a folder, to be put on the path of Python."""
    about = folder / "small_tasks-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: small-tasks\nVersion: 1.0\n")
    module = "tests.tasks.small_family"
    (about / "entry_points.txt").write_text(
        "[spirl_ros.tasks]\n" + "".join(f"{name.lower()} = {module}:{name}\n" for name in ("SMALL", "ALONE", "SEEN"))
    )
    return folder


def put_on_path(environment: dict[str, str], folder: Path) -> None:
    """Have processes find the package, and the module of these tests that it names."""
    before = environment.get("PYTHONPATH", "")
    folders = [str(folder), str(Path(__file__).parents[2]), *([before] if before else [])]
    environment["PYTHONPATH"] = os.pathsep.join(folders)
