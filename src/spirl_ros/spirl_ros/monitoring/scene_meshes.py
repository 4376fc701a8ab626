"""A scene's meshes in the page: sent once, then only what moves."""

import mujoco
import numpy as np
import viser
from mjviser.conversions import group_geoms_by_visual_compat, is_fixed_body, merge_geoms

from spirl_ros.tasks.scene_view import SceneView

_LOOKED_AT_GROUPS = (0, 1, 2)
"""Geometry groups that MuJoCo's viewers show; the others are for contacts."""
_LEAST_MOTION_M, _LEAST_TURN = 1.5e-3, 2e-3
"""Bodies that moved less are not sent again: measurement noise moves everything a little, the hand by a millimetre."""

_DAYLIGHT = 0.35
"""Brightness of the surroundings: with more, what is white has no shape."""


class SceneMeshes:
    """Draws a scene at measured positions. Not thread-safe."""

    def __init__(self, server: viser.ViserServer, view: SceneView) -> None:
        """Send every mesh that is looked at.

        Args:
            server: the page's server.
            view: of the scene.
        """
        self._server, self._name, scene = server, view.name, view.load_scene()
        self._model, self._data = scene.model, mujoco.MjData(scene.model)
        self._data.qpos[:] = scene.initial_positions
        mujoco.mj_kinematics(self._model, self._data)
        server.scene.configure_environment_map(environment_intensity=_DAYLIGHT)
        self._tool = view.tool_point(self._data)
        self._moving: dict[int, viser.FrameHandle] = {}
        with server.atomic():
            for body, geoms in _geoms_of_bodies(self._model).items():
                frame = self._add_body(body, geoms)
                if not is_fixed_body(self._model, body):
                    self._moving[body] = frame
        self._bodies = np.array(list(self._moving))
        self._shown_positions = self._data.xpos[self._bodies].copy()
        self._shown_quaternions = self._data.xquat[self._bodies].copy()

    def show(self, positions: np.ndarray) -> int:
        """Move bodies to where measured positions (Da+Ds,) put them; returns how many moved."""
        self._data.qpos[:] = positions
        mujoco.mj_normalizeQuat(self._model, self._data.qpos)  # measured with noise, so not of unit length
        mujoco.mj_kinematics(self._model, self._data)
        now, turned = self._data.xpos[self._bodies], self._data.xquat[self._bodies]
        has_moved = (np.abs(now - self._shown_positions).max(axis=1) > _LEAST_MOTION_M) | (
            np.abs(turned - self._shown_quaternions).max(axis=1) > _LEAST_TURN
        )
        moved = np.flatnonzero(has_moved)
        if moved.size:
            self._shown_positions[moved], self._shown_quaternions[moved] = now[moved], turned[moved]
            with self._server.atomic():
                for index in moved:
                    frame = self._moving[int(self._bodies[index])]
                    frame.position, frame.wxyz = now[index], turned[index]
        return int(moved.size)

    def tool_position(self) -> np.ndarray:
        """Where the tool point (3,) [m] is at the positions shown."""
        return self._tool.pose().position

    def _add_body(self, body: int, geoms: list[int]) -> viser.FrameHandle:
        name = f"/{self._name}/{body}_{self._model.body(body).name.replace(' ', '_')}"
        frame = self._server.scene.add_frame(
            name, show_axes=False, position=self._data.xpos[body], wxyz=self._data.xquat[body]
        )
        for index, group in enumerate(group_geoms_by_visual_compat(self._model, geoms)):
            self._server.scene.add_mesh_trimesh(f"{name}/{index}", merge_geoms(self._model, group))
        return frame


def _geoms_of_bodies(model: mujoco.MjModel) -> dict[int, list[int]]:
    """Geoms that are looked at, by body. The endless floor is left out: it would hide the scene from below."""
    geoms: dict[int, list[int]] = {}
    for geom in range(model.ngeom):
        is_floor = int(model.geom_type[geom]) == int(mujoco.mjtGeom.mjGEOM_PLANE)
        if int(model.geom_group[geom]) in _LOOKED_AT_GROUPS and not is_floor:
            geoms.setdefault(int(model.geom_bodyid[geom]), []).append(geom)
    return geoms
