"""The kitchen as a task family: what the engine knows of it."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spirl_ros.control.velocity_action import MEASURED
from spirl_ros.kitchen.disturbances import KITCHEN_DISTURBANCES, with_kettle
from spirl_ros.kitchen.joint_limits import KITCHEN_VELOCITY_SCALE
from spirl_ros.kitchen.kinematics import TOOL_POINT_OFFSET_M, TOOL_SITE
from spirl_ros.kitchen.scene import kitchen_folder, load_kitchen_scene
from spirl_ros.kitchen.subtasks import SUBTASKS, TASKS, SubtaskDetector
from spirl_ros.tasks.disturbance import Disturbance
from spirl_ros.tasks.mujoco_family import MujocoFamily
from spirl_ros.tasks.mujoco_scene import MujocoScene
from spirl_ros.tasks.scene_view import Camera, SceneView
from spirl_ros.tasks.task import DatasetFormat, MeasurementNoise, Operator

if TYPE_CHECKING:
    from spirl_ros.demonstrations.operator_style import OperatorStyle
    from spirl_ros.deployment.bundle import Bundle
    from spirl_ros.rl.evaluation import EvaluationSettings
    from spirl_ros.teleoperation.arm_teleoperation import TeleoperatedArm


class KitchenFamily(MujocoFamily):
    """D4RL's Franka kitchen, as gymnasium-robotics ships it."""

    name = "kitchen"
    subtasks = SUBTASKS
    tasks: Mapping[str, tuple[str, ...]] = TASKS
    max_steps = 280
    chain_length = 4
    velocity_scale = KITCHEN_VELOCITY_SCALE
    action_reference = MEASURED
    noise = MeasurementNoise()
    arm_model = "panda"

    def make_scene(self, *, with_visuals: bool = False) -> MujocoScene:
        """The compiled scene. Raises SceneError where gymnasium-robotics is not installed."""
        return load_kitchen_scene(with_visuals=with_visuals)

    def done_now(self, positions: np.ndarray) -> set[str]:
        """Subtasks that are done at these positions of robot and scene (30,)."""
        scene = self.load_scene()
        return _detector(scene.scene_names).done(positions[scene.joint_count :])

    def operator(self, style: "OperatorStyle") -> Operator:
        """The scripted operator, which knows all seven subtasks."""
        from spirl_ros.kitchen.operator import KitchenOperator

        return KitchenOperator(self.load_scene(), style)

    def view(self) -> SceneView:
        """What page, RViz and films show of it. Raises SceneError where gymnasium-robotics is not installed."""
        return replace(
            super().view(),
            robot_name="franka_kitchen",
            tool_frame=TOOL_SITE,
            tool_offset_m=TOOL_POINT_OFFSET_M,
            # Above the arm's column, which hides the stove from everywhere in front of it.
            camera=Camera((0.2, -0.8, 3.4), (-0.3, 0.5, 1.85)),
            film_camera=Camera((-0.82755, -1.48139, 2.92978), (-0.2, 0.45, 1.85)),
            rviz_camera=Camera((1.59706, -2.24791, 3.51590), (-0.2, 0.45, 1.95)),
            text_m=(-0.2, 0.2, 2.95),  # above the arm
            mesh_folder=kitchen_folder() / "franka_assets" / "meshes",
        )

    def formats(self) -> dict[str, DatasetFormat]:
        """D4RL's HDF5 files, and folders of Minari."""
        from spirl_ros.kitchen.d4rl import read_d4rl, write_d4rl
        from spirl_ros.kitchen.minari import read_minari

        return {
            "d4rl": DatasetFormat(Path.is_file, read_d4rl, write_d4rl),
            "minari": DatasetFormat(Path.is_dir, read_minari),
        }

    def peer_evaluation(self) -> "Callable[[Bundle, EvaluationSettings], dict[str, Any]]":
        """In gymnasium-robotics' own FrankaKitchen-v1."""
        from spirl_ros.kitchen.franka_kitchen_evaluation import evaluate_in_franka_kitchen

        return evaluate_in_franka_kitchen

    def disturbances(self) -> dict[str, Disturbance]:
        """Beside the usual ones sensors of the scene that err, and a kettle elsewhere or heavier."""
        return {**super().disturbances(), **KITCHEN_DISTURBANCES}

    def training_disturbance(self) -> Disturbance:
        """Beside the usual one a kettle that is seen less exactly, stands elsewhere and is heavier."""
        return with_kettle(super().training_disturbance())

    def teleoperated_arm(self) -> "TeleoperatedArm":
        """The arm with its soft servos."""
        from spirl_ros.kitchen.teleoperated_arm import KitchenArm

        return KitchenArm(self.load_scene())


@functools.cache
def _detector(scene_names: tuple[str, ...]) -> SubtaskDetector:
    return SubtaskDetector(scene_names)


KITCHEN = KitchenFamily()
