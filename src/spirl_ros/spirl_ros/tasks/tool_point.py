"""Where the tool of a simulated robot is."""

from typing import NamedTuple

import mujoco
import numpy as np

from spirl_ros.errors import SceneError
from spirl_ros.tasks.mujoco_scene import MujocoScene


class ToolPose(NamedTuple):
    """Where the tool point is and how the hand is turned, in the world frame."""

    position: np.ndarray
    """(3,) [m]."""
    rotation: np.ndarray
    """(3, 3); columns are the tool's axes. z points along the fingers."""

    @property
    def pointing(self) -> np.ndarray:
        """Unit vector (3,) along the fingers, out of the hand."""
        return self.rotation[:, 2]


class ToolPoint:
    """Reads the tool pose from simulation data whose kinematics are up to date."""

    def __init__(self, scene: MujocoScene, data: mujoco.MjData, frame: str = "", offset_m: float = 0.0) -> None:
        """Look up the frame by name; the views stay valid as long as the data lives.

        Args:
            scene: the robot's.
            data: of the scene's model.
            frame: a site or a body; empty for the body that the robot's last joint moves.
            offset_m: how far beyond the frame the tool point lies, along its z axis [m].

        Raises:
            SceneError: the model has no such site or body.
        """
        model = scene.model
        site = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SITE, frame)
        body = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, frame)
        if frame and site < 0 and body < 0:
            raise SceneError(f"the tool is to be {frame}, but the scene has neither a site nor a body of that name.")
        self.body_id = int(model.jnt_bodyid[scene.joint_count - 1]) if not frame else body
        self._offset_m = offset_m
        if site >= 0:
            self.body_id = int(model.site_bodyid[site])
            self._position, self._rotation = data.site_xpos[site], data.site_xmat[site].reshape(3, 3)
        else:
            self._position, self._rotation = data.xpos[self.body_id], data.xmat[self.body_id].reshape(3, 3)

    def pose(self) -> ToolPose:
        """Tool pose now, as a copy."""
        rotation = self._rotation.copy()
        return ToolPose(self._position + self._offset_m * rotation[:, 2], rotation)
