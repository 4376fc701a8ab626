"""A scene as shapes and mesh files, for viewers that have no MuJoCo: what RViz draws."""

from dataclasses import dataclass, replace
from pathlib import Path

import mujoco
import numpy as np
from mujoco import mjtGeom

from spirl_ros.tasks.scene_view import SceneView

BOX, CYLINDER, ELLIPSOID, MESH = "box", "cylinder", "ellipsoid", "mesh"

_LOOKED_AT_GROUPS = (0, 1, 2)
"""Geometry groups that MuJoCo's viewers show; the others are for contacts."""
_NOT_DRAWN = (int(mjtGeom.mjGEOM_PLANE), int(mjtGeom.mjGEOM_HFIELD))
"""The endless floor would hide the scene from below; for a height field RViz has no marker."""


@dataclass(frozen=True)
class Shape:
    """One thing to draw."""

    kind: str
    """BOX, CYLINDER (along z), ELLIPSOID or MESH."""
    extent: tuple[float, float, float]
    """Full size along its axes [m]; of a mesh the factors of its file's coordinates."""
    colour: tuple[float, float, float, float]
    """Red, green, blue and opacity, 0 to 1."""
    is_moving: bool
    """Whether its pose may ever change."""
    file: Path | None = None
    """Of a mesh."""


class SceneShapes:
    """Every shape of a scene that is looked at, and where measured positions put it. Not thread-safe."""

    def __init__(self, view: SceneView, with_meshes: bool = True) -> None:
        """Read the shapes; without meshes, or where their files are not known, there are boxes around them."""
        scene = view.load_scene()
        self._model, self._data = scene.model, mujoco.MjData(scene.model)
        self._initial_positions = scene.initial_positions
        is_drawn = np.isin(self._model.geom_group, _LOOKED_AT_GROUPS) & ~np.isin(self._model.geom_type, _NOT_DRAWN)
        self._geoms = np.flatnonzero(is_drawn)
        shapes = tuple(_shape(self._model, int(geom), view.mesh_folder) for geom in self._geoms)
        is_mesh = np.array([shape.kind == MESH for shape in shapes], dtype=bool)
        is_boxed = is_mesh & np.array([not with_meshes or shape.file is None for shape in shapes], dtype=bool)
        around = self._model.geom_aabb[self._geoms]  # middle and half the size, along the geometry's axes
        self._centres = np.zeros((len(shapes), 3))
        self._centres[is_boxed] = around[is_boxed, :3]
        self.shapes = tuple(
            _box_around(shape, 2.0 * size) if boxed else shape
            for shape, boxed, size in zip(shapes, is_boxed, around[:, 3:], strict=True)
        )
        self._meshes = is_mesh & ~is_boxed
        self._tool = view.tool_point(self._data)
        self.poses(scene.initial_positions)

    def poses(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where measured positions (Da+Ds,) put the shapes.

        Returns:
            Positions (N, 3) [m] and unit quaternions (N, 4), w first, in the world frame.
        """
        self._data.qpos[:] = positions
        mujoco.mj_normalizeQuat(self._model, self._data.qpos)  # measured with noise, so not of unit length
        mujoco.mj_kinematics(self._model, self._data)
        places = self._data.geom_xpos[self._geoms].copy()
        rotations = self._data.geom_xmat[self._geoms].reshape(-1, 3, 3).copy()
        places += np.einsum("nij,nj->ni", rotations, self._centres)
        for index in np.flatnonzero(self._meshes):
            # MuJoCo moved the file's coordinates to the mesh's middle and turned them to its principal axes.
            mesh = int(self._model.geom_dataid[self._geoms[index]])
            turned = np.empty(9)
            mujoco.mju_quat2Mat(turned, self._model.mesh_quat[mesh])
            rotations[index] = rotations[index] @ turned.reshape(3, 3).T
            places[index] -= rotations[index] @ self._model.mesh_pos[mesh]
        quaternions = np.empty((len(rotations), 4))
        for quaternion, rotation in zip(quaternions, rotations, strict=True):
            mujoco.mju_mat2Quat(quaternion, rotation.ravel())
        return places, quaternions

    def of_body(self, body: int) -> list[tuple[Shape, np.ndarray, np.ndarray]]:
        """The shapes that a body of the model carries, with positions (3,) [m] and quaternions (4,) in its frame."""
        places, quaternions = self.poses(self._initial_positions)
        origin, axes = self._data.xpos[body], self._data.xmat[body].reshape(3, 3)
        found = []
        for index in np.flatnonzero(self._model.geom_bodyid[self._geoms] == body):
            rotation, quaternion = np.empty(9), np.empty(4)
            mujoco.mju_quat2Mat(rotation, quaternions[index])
            mujoco.mju_mat2Quat(quaternion, (axes.T @ rotation.reshape(3, 3)).ravel())
            found.append((self.shapes[index], axes.T @ (places[index] - origin), quaternion))
        return found

    def tool_position(self) -> np.ndarray:
        """Where the tool point (3,) [m] is at the positions last given."""
        return self._tool.pose().position


def _box_around(shape: Shape, extent: np.ndarray) -> Shape:
    x, y, z = (float(value) for value in extent)
    return replace(shape, kind=BOX, extent=(x, y, z), file=None)


def _shape(model: mujoco.MjModel, geom: int, mesh_folder: Path | None) -> Shape:
    kind, size = int(model.geom_type[geom]), model.geom_size[geom]
    material = int(model.geom_matid[geom])
    colour = model.mat_rgba[material] if material >= 0 else model.geom_rgba[geom]
    is_moving = int(model.body_weldid[model.geom_bodyid[geom]]) != 0
    file = None
    if kind == int(mjtGeom.mjGEOM_BOX):
        name, extent = BOX, 2.0 * size
    elif kind == int(mjtGeom.mjGEOM_CYLINDER):
        name, extent = CYLINDER, 2.0 * size[[0, 0, 1]]
    elif kind == int(mjtGeom.mjGEOM_CAPSULE):
        # Its round ends count as length.
        name, extent = CYLINDER, 2.0 * np.array([size[0], size[0], size[0] + size[1]])
    elif kind in (int(mjtGeom.mjGEOM_SPHERE), int(mjtGeom.mjGEOM_ELLIPSOID)):
        is_sphere = kind == int(mjtGeom.mjGEOM_SPHERE)
        name, extent = ELLIPSOID, 2.0 * (size[[0, 0, 0]] if is_sphere else size)
    else:
        mesh = int(model.geom_dataid[geom])
        name, extent, file = MESH, model.mesh_scale[mesh], _mesh_file(model, mesh, mesh_folder)
    x, y, z = (float(value) for value in extent)
    red, green, blue, opacity = (float(value) for value in colour)
    return Shape(name, (x, y, z), (red, green, blue, opacity), is_moving, file)


def _mesh_file(model: mujoco.MjModel, mesh: int, folder: Path | None) -> Path | None:
    """The file of a mesh; the model names it relative to the folder."""
    if folder is None:
        return None
    begin = int(model.mesh_pathadr[mesh])
    name = bytes(model.paths[begin : model.paths.index(0, begin)]).decode()
    return (folder / name).resolve()
