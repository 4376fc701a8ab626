"""What page, RViz and films need to show the scene of a task family."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from spirl_ros.errors import ConfigError
from spirl_ros.tasks.families import find_family

if TYPE_CHECKING:  # Who asks only whether there is a view needs no simulator.
    import mujoco

    from spirl_ros.tasks.mujoco_scene import MujocoScene
    from spirl_ros.tasks.tool_point import ToolPoint

_WHOLE_SCENE = 1.5
"""How far away a camera stands that sees all of a model, in sizes of the model, as MuJoCo's own viewer has it."""
_TEXT_HEIGHT = 0.3
"""How high above what is looked at text is written, as a share of the camera's distance."""

Point = tuple[float, float, float]


class Camera(NamedTuple):
    """Where somebody looks from, in the world frame."""

    position_m: Point
    look_at_m: Point


@dataclass(frozen=True)
class SceneView:
    """A scene with all that is looked at. Only `load_scene` and what needs it take time."""

    name: str
    """The family's; meshes and markers of the scene bear it."""
    load_scene: "Callable[[], MujocoScene]"
    """The scene compiled with visuals, always the same one."""
    tasks: tuple[str, ...]
    """Tasks and subtasks that the page offers to begin."""
    robot_name: str
    """In the URDF that is made from the scene."""
    tool_frame: str = ""
    """A site or a body; empty for the body that the robot's last joint moves."""
    tool_offset_m: float = 0.0
    """How far beyond it the tool point lies, along its z axis [m]."""
    camera: Camera | None = None
    """Of the page, and of films and RViz that have none of their own; None for one that sees the whole scene."""
    film_camera: Camera | None = None
    rviz_camera: Camera | None = None
    text_m: Point | None = None
    """Where RViz writes how the task goes, in the world frame [m]; None for above what is looked at."""
    mesh_folder: Path | None = None
    """Where the model's mesh files are, for RViz; without it there are boxes around meshes."""

    def tool_point(self, data: "mujoco.MjData") -> "ToolPoint":
        """Reads the tool's pose from data of the scene's model. Raises SceneError where there is no such frame."""
        from spirl_ros.tasks.tool_point import ToolPoint

        return ToolPoint(self.load_scene(), data, self.tool_frame, self.tool_offset_m)

    def look(self, own: Camera | None = None) -> Camera:
        """The camera of a viewer that has one of its own, or of one that has none."""
        chosen = self.camera if own is None else own
        if chosen is not None:
            return chosen
        stat = self.load_scene().model.stat
        x, y, z = (float(value) for value in stat.center)
        back = _WHOLE_SCENE * float(stat.extent) / np.sqrt(2.0)  # from ahead, half way up
        return Camera((x, y - back, z + back), (x, y, z))

    def text_place(self) -> Point:
        """Where RViz writes [m]."""
        if self.text_m is not None:
            return self.text_m
        camera = self.look(self.rviz_camera)
        x, y, z = camera.look_at_m
        return x, y, z + _TEXT_HEIGHT * float(np.linalg.norm(np.subtract(*camera)))


def find_view(family: str) -> SceneView:
    """How the scene of a family is shown.

    Raises:
        ConfigError: there is no such family, or it has no view.
    """
    view = find_family(family).view()
    if view is None:
        raise ConfigError(
            f"nothing shows the task family {family}: its method `view` returns nothing. Write it as docs/new_task.md "
            "says, or show no scene: viewer:=none at launch, scene:=none for the page."
        )
    return view
