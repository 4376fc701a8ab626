"""Where skills would lead the tool: decoded ahead of time, with an arm that follows at once and a scene that stays."""

import mujoco
import numpy as np

from spirl_ros.control.observation_fields import STATE
from spirl_ros.control.velocity_action import VelocityAction
from spirl_ros.deployment.bundle import Bundle
from spirl_ros.errors import BundleError
from spirl_ros.tasks.scene_view import SceneView


class SkillPreview:
    """Decodes latents into ways of the tool. For looking, not for acting: contacts and servos are left out.

    Not thread-safe.
    """

    def __init__(self, bundle: Bundle, view: SceneView) -> None:
        """Take the graphs of a bundle.

        Raises:
            BundleError: the bundle is for another robot or scene.
        """
        about, scene = bundle.description, view.load_scene()
        names = (*scene.joint_names, *scene.observed_scene_names)
        if about.state.names != names:
            raise BundleError(
                f"bundle '{about.name}' observes other names than the {view.name}'s. Show another bundle."
            )
        self._decoder, self._prior = bundle.decoder.copy(), bundle.prior.copy()
        self._horizon, self.latent_size = about.skill_horizon, about.latent_size
        self._action = VelocityAction(
            scene.position_lower, scene.position_upper, 1.0 / about.control_rate_hz, about.action.scale
        )
        self._model, self._data = scene.model, mujoco.MjData(scene.model)
        self._data.qpos[:] = scene.initial_positions
        self._tool = view.tool_point(self._data)

    def paths(self, latents: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """Ways of the tool (B, H + 1, 3) [m] for latents (B, Dz) that begin at measured positions (Da+Ds,)."""
        latents = np.asarray(latents, dtype=np.float32)
        count = len(latents)
        observations = np.tile(positions, (count, 1)).astype(np.float32)
        joints = self._action.position_lower.size
        ways = np.empty((count, self._horizon + 1, 3))
        ways[:, 0] = self._tool_position(positions[:joints])
        for step in range(self._horizon):
            actions = self._decoder.decode(observations, latents, step)
            observations[:, :joints] = self._action.joint_command(actions, observations[:, :joints])
            for way, observation in zip(ways, observations, strict=True):
                way[step + 1] = self._tool_position(observation[:joints])
        return ways

    def prior_paths(self, count: int, positions: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Ways of the tool (count, H + 1, 3) [m] for samples of the skill prior at measured positions (Da+Ds,)."""
        observations = np.tile(positions, (count, 1)).astype(np.float32)
        return self.paths(self._prior.sample({STATE: observations}, generator), positions)

    def _tool_position(self, joint_positions: np.ndarray) -> np.ndarray:
        self._data.qpos[: joint_positions.size] = joint_positions
        mujoco.mj_kinematics(self._model, self._data)
        return self._tool.pose().position
