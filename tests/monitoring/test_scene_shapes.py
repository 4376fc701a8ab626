from dataclasses import replace

import mujoco
import numpy as np
import pytest

from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.kitchen.scene import INITIAL_POSITIONS, load_kitchen_scene
from spirl_ros.monitoring.scene_shapes import BOX, CYLINDER, MESH, SceneShapes
from tests.tasks.small_family import SMALL

trimesh = pytest.importorskip("trimesh")


def rotation(quaternion: np.ndarray) -> np.ndarray:
    matrix = np.empty(9)
    mujoco.mju_quat2Mat(matrix, quaternion)
    return matrix.reshape(3, 3)


def test_mesh_files_come_to_lie_where_mujoco_has_them() -> None:
    """MuJoCo re-centres and turns meshes; a viewer that reads the files must undo that."""
    scene = load_kitchen_scene(with_visuals=True)
    model, data = scene.model, mujoco.MjData(scene.model)
    positions = INITIAL_POSITIONS + np.random.default_rng(0).uniform(-0.2, 0.2, 30)
    data.qpos[:] = positions
    mujoco.mj_normalizeQuat(model, data.qpos)
    mujoco.mj_kinematics(model, data)
    shapes = SceneShapes(KITCHEN.view())
    places, quaternions = shapes.poses(positions)
    checked = 0
    for index, shape in enumerate(shapes.shapes):
        if shape.kind != MESH:
            continue
        assert shape.file is not None and shape.file.is_file()
        geom = int(shapes._geoms[index])
        mesh = int(model.geom_dataid[geom])
        begin = int(model.mesh_vertadr[mesh])
        vertices = model.mesh_vert[begin : begin + int(model.mesh_vertnum[mesh])]
        expected = vertices @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom]
        of_file = trimesh.load(shape.file).vertices * np.array(shape.extent)
        found = of_file @ rotation(quaternions[index]).T + places[index]
        np.testing.assert_allclose(found.min(axis=0), expected.min(axis=0), atol=1e-4)
        np.testing.assert_allclose(found.max(axis=0), expected.max(axis=0), atol=1e-4)
        checked += 1
    assert checked == 32


def test_boxes_in_place_of_meshes_are_close_around_them() -> None:
    """An RViz on another machine has no files of the meshes."""
    with_meshes, boxes = SceneShapes(KITCHEN.view()), SceneShapes(KITCHEN.view(), with_meshes=False)
    positions = INITIAL_POSITIONS + np.random.default_rng(0).uniform(-0.2, 0.2, 30)
    (mesh_places, mesh_quaternions), (places, quaternions) = with_meshes.poses(positions), boxes.poses(positions)
    for index, (mesh, box) in enumerate(zip(with_meshes.shapes, boxes.shapes, strict=True)):
        assert box.kind != MESH and box.file is None
        if mesh.kind != MESH:
            assert box == mesh
            continue
        vertices = trimesh.load(mesh.file).vertices * np.array(mesh.extent)
        in_world = vertices @ rotation(mesh_quaternions[index]).T + mesh_places[index]
        in_box = (in_world - places[index]) @ rotation(quaternions[index]) / box.extent
        np.testing.assert_allclose(np.abs(in_box).max(axis=0), 0.5, atol=0.01)


def test_only_moving_shapes_move() -> None:
    shapes = SceneShapes(KITCHEN.view())
    before = shapes.poses(INITIAL_POSITIONS)
    tool = shapes.tool_position()
    after = shapes.poses(INITIAL_POSITIONS + 0.1)
    is_moving = np.array([shape.is_moving for shape in shapes.shapes])
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one[~is_moving], other[~is_moving])
    has_moved = [np.abs(one - other).max(axis=1) > 1e-6 for one, other in zip(before, after, strict=True)]
    assert (has_moved[0] | has_moved[1])[is_moving].all()
    assert np.linalg.norm(shapes.tool_position() - tool) > 0.02
    np.testing.assert_allclose(np.linalg.norm(after[1], axis=1), 1.0, atol=1e-9)


def test_sizes_are_whole_and_colours_are_colours() -> None:
    for shape in SceneShapes(KITCHEN.view()).shapes:
        assert min(shape.extent) > 0.0
        assert all(0.0 <= value <= 1.0 for value in shape.colour)


def test_scene_of_another_family_is_drawn_where_it_is() -> None:
    shapes = SceneShapes(SMALL.view())
    assert [(shape.kind, shape.is_moving) for shape in shapes.shapes] == [
        (CYLINDER, True),
        (CYLINDER, True),
        (BOX, True),
    ]
    places, _ = shapes.poses(np.array([np.pi / 2.0, 0.0, 0.2]))
    np.testing.assert_allclose(places, [[0.0, 0.15, 0.1], [0.0, 0.45, 0.1], [0.5, 0.7, 0.1]], atol=1e-9)
    np.testing.assert_allclose(shapes.tool_position(), [0.0, 0.3, 0.1], atol=1e-9)  # the body of the last joint


def test_mesh_without_a_known_file_is_drawn_as_a_box() -> None:
    shapes = SceneShapes(replace(KITCHEN.view(), mesh_folder=None)).shapes
    assert all(shape.kind != MESH and shape.file is None for shape in shapes)
