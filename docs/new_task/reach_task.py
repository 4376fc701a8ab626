"""A task family of your own, to start from: an arm of two joints, two places for it, and a lever. See new_task.md."""

from collections.abc import Iterator, Sequence

import mujoco
import numpy as np

from spirl_ros.demonstrations.operator_style import OperatorStyle, Variation
from spirl_ros.tasks.mujoco_family import MujocoFamily
from spirl_ros.tasks.mujoco_scene import MujocoScene, scene_of_model

MODEL = """
<mujoco model="reach">
  <compiler angle="radian"/> <option timestep="0.005" integrator="implicitfast"/>
  <worldbody> <camera name="above" pos="0.35 0 1.3"/>
    <light pos="0 0 2"/> <geom type="plane" size="1 1 0.1" contype="0" conaffinity="0"/> <body pos="0 0 0.1">
      <joint name="shoulder" axis="0 0 1" range="-2.5 2.5" damping="1" armature="0.1"/>
      <geom type="capsule" fromto="0 0 0 0.3 0 0" size="0.02" rgba="0.2 0.4 0.6 1"/>
      <body pos="0.3 0 0">
        <joint name="elbow" axis="0 0 1" range="-2.5 2.5" damping="1" armature="0.1"/>
        <geom type="capsule" fromto="0 0 0 0.25 0 0" size="0.02" rgba="0.9 0.5 0.1 1"/>
        <site name="tip" pos="0.25 0 0"/>
      </body>
    </body>
    <body pos="0.75 0 0.1"> <joint name="lever" axis="0 0 1" range="-1.5 1.5" damping="0.1" frictionloss="0.05"/>
      <geom type="capsule" fromto="0 0 0 -0.3 0 0" size="0.015" mass="0.1"/>
    </body>
  </worldbody>
  <actuator> <position joint="shoulder" kp="100" kv="10"/> <position joint="elbow" kp="100" kv="10"/> </actuator>
  <keyframe> <key qpos="-0.3 1.5 0"/> </keyframe>
</mujoco>"""
WAYS = {"left": [(0.5, 1.5)], "right": [(-1.0, 1.5)], "lever": [(0.5, 1.5), (0.5, 0.0), (-0.5, 0.0)]}
"""Where the operator goes for each subtask: positions of both joints [rad], one after the other."""


class ReachOperator:
    """Goes the ways of its subtasks, each at a speed of its own."""

    current_subtask: str | None = None

    def __init__(self, style: OperatorStyle) -> None:
        self._style, self.intended_action = style, np.zeros(2)

    def start(self, subtasks: Sequence[str], seed: int) -> None:
        self._variation = Variation(self._style, np.random.default_rng((1, seed)), action_size=2)
        self._motion = self._go(tuple(subtasks))

    def act(self, observation: np.ndarray) -> np.ndarray | None:
        self._positions = observation[:2]
        self.intended_action = next(self._motion, np.zeros(2))
        return None if self.current_subtask is None else self.intended_action + self._variation.next_action_noise()

    def _go(self, subtasks: tuple[str, ...]) -> Iterator[np.ndarray]:
        for self.current_subtask in subtasks:
            speed = self._variation.speed()
            for place in WAYS[self.current_subtask]:
                while np.abs(error := place - self._positions).max() > 0.05:
                    yield speed * np.clip(4.0 * error, -0.8, 0.8)
        self.current_subtask = None


class ReachFamily(MujocoFamily):
    """Be at the left, turn the lever, be at the right, or any of these in another order."""

    name, subtasks, tasks = "reach", tuple(WAYS), {"all": ("left", "lever", "right")}
    max_steps, chain_length, velocity_scale = 150, 2, 1.5

    def make_scene(self, *, with_visuals: bool = False) -> MujocoScene:
        model = mujoco.MjModel.from_xml_string(MODEL)
        return scene_of_model(model, 2, control_period_s=0.05, velocity=2.0, acceleration=40.0, jerk=2000.0)

    def done_now(self, positions: np.ndarray) -> set[str]:
        is_at = [name for name in ("left", "right") if np.abs(positions[:2] - WAYS[name][0]).max() < 0.1]
        return {*is_at, "lever"} if positions[2] > 0.4 else set(is_at)

    def operator(self, style: OperatorStyle) -> ReachOperator:
        return ReachOperator(style)


REACH = ReachFamily()
