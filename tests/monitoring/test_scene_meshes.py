import pytest

pytest.importorskip("viser")

from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.kitchen.scene import INITIAL_POSITIONS, load_kitchen_scene
from spirl_ros.monitoring.page_server import PageServer
from spirl_ros.monitoring.scene_meshes import SceneMeshes


def test_only_what_moves_is_sent() -> None:
    server, scene = PageServer("127.0.0.1", 0), load_kitchen_scene(with_visuals=True)
    try:
        meshes = SceneMeshes(server, KITCHEN.view())
        assert meshes.show(INITIAL_POSITIONS) == 0
        assert meshes.show(INITIAL_POSITIONS + 1e-5) == 0
        positions = INITIAL_POSITIONS.copy()
        positions[9 + scene.scene_names.index("microwave")] -= 0.5
        assert meshes.show(positions) == 1  # the door
        positions[6] += 0.5
        assert meshes.show(positions) == 3  # the last link and two fingers
        assert meshes.show(positions) == 0
    finally:
        server.stop()
