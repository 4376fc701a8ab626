"""What the operator can know of the kitchen: one observation, seen through the scene's model."""

import mujoco
import numpy as np

from spirl_ros.errors import ObservationError
from spirl_ros.kitchen.kinematics import ARM_JOINT_COUNT, TOOL_POINT_OFFSET_M, TOOL_SITE
from spirl_ros.kitchen.subtasks import SubtaskDetector
from spirl_ros.tasks.mujoco_scene import MujocoScene
from spirl_ros.tasks.tool_point import ToolPoint


class KitchenView:
    """The latest observation and everything computed from it: where the tool and the handles are, how heavy the arm is.

    Reads nothing but observations and the model, so it works the same in-process and at the far end of a topic.
    """

    def __init__(self, scene: MujocoScene) -> None:
        """Look up names once."""
        self._model = scene.model
        self._data = mujoco.MjData(scene.model)
        self._qpos = self._data.qpos
        self._tool = ToolPoint(scene, self._data, TOOL_SITE, TOOL_POINT_OFFSET_M)
        self._joint_count = scene.joint_count
        self._index = {name: scene.joint_count + i for i, name in enumerate(scene.scene_names)}
        self._kettle_quaternion = self._qpos[self._index["kettle_qw"] : self._index["kettle_qz"] + 1]
        self._sites = {scene.model.site(i).name: self._data.site_xpos[i] for i in range(scene.model.nsite)}
        self._axes = {scene.model.joint(i).name: self._data.xanchor[i] for i in range(scene.model.njnt)}
        self._detector = SubtaskDetector(scene.scene_names)
        self._gravity = np.zeros(scene.model.nv)

    def update(self, observation: np.ndarray) -> None:
        """Take in an observation (30,).

        Raises:
            ObservationError: wrong size or not finite; the old view stays.
        """
        observation = np.asarray(observation, dtype=float)
        if observation.shape != self._qpos.shape or not np.isfinite(observation).all():
            raise ObservationError(
                f"observation is {observation}, expected {self._qpos.size} finite positions. Check the measurements."
            )
        self._qpos[:] = observation
        mujoco.mju_normalize4(self._kettle_quaternion)  # measured with noise, so not of unit length
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)
        mujoco.mj_rne(self._model, self._data, 0, self._gravity)  # velocities are zero: nothing but gravity is left
        self.arm_positions = self._qpos[:ARM_JOINT_COUNT].copy()
        """(7,) [rad]."""
        self.tool = self._tool.pose()
        self.gravity_torque = self._gravity[:ARM_JOINT_COUNT].copy()
        """Torque (7,) [Nm] that holds the arm where it is."""

    @property
    def scene_positions(self) -> np.ndarray:
        """Everything but the arm, (21,)."""
        return self._qpos[self._joint_count :].copy()

    def coordinate(self, name: str) -> float:
        """A coordinate of the scene by its name, such as `microwave` [rad] or `kettle_x` [m]."""
        return float(self._qpos[self._index[name]])

    def site(self, name: str) -> np.ndarray:
        """Position (3,) [m] of a site of the scene, such as a handle."""
        return self._sites[name].copy()

    def hinge(self, joint: str) -> np.ndarray:
        """A point (3,) [m] on the axis of a hinge joint."""
        return self._axes[joint].copy()

    def is_done(self, subtask: str) -> bool:
        """Whether the subtask's goal is reached, judged by the measured positions."""
        return subtask in self._detector.done(self._qpos[self._joint_count :])
