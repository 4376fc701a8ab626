"""What viewers are told of a family's scene."""

import mujoco
import numpy as np
import pytest

from spirl_ros.errors import ConfigError, SceneError
from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.kitchen.subtasks import SUBTASKS, TASKS
from spirl_ros.tasks.scene_view import find_view
from spirl_ros.tasks.tool_point import ToolPoint
from tests.tasks.small_family import SMALL, install


def test_page_offers_every_task_and_subtask_once() -> None:
    assert KITCHEN.view().tasks == (*TASKS, *SUBTASKS)
    assert SMALL.view().tasks == ("out_in", "out", "in")


def test_family_without_a_camera_is_seen_whole() -> None:
    view, stat = SMALL.view(), SMALL.load_scene().model.stat
    camera = view.look()
    assert camera.look_at_m == pytest.approx(stat.center)
    assert np.linalg.norm(np.subtract(*camera)) == pytest.approx(1.5 * stat.extent)
    assert view.text_place()[2] > stat.center[2]


def test_family_without_a_view_is_told_of(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(install(tmp_path))
    assert find_view("small").name == "small"
    with pytest.raises(ConfigError, match="nothing shows the task family alone: its method `view`.* viewer:=none"):
        find_view("alone")


def test_tool_that_is_not_in_the_scene_is_named() -> None:
    scene = SMALL.load_scene()
    data = mujoco.MjData(scene.model)
    with pytest.raises(SceneError, match="the tool is to be hook"):
        ToolPoint(scene, data, "hook")
    mujoco.mj_kinematics(scene.model, data)
    np.testing.assert_allclose(ToolPoint(scene, data, "box", offset_m=0.1).pose().position, [0.5, 0.5, 0.2])
