"""A task family whose scene is a MuJoCo model: what is the same in each of them."""

import difflib
import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import mujoco
import numpy as np

from spirl_ros.control.observation_fields import STATE, Field, Observation, ObservationSpec, state_field
from spirl_ros.control.velocity_action import COMMANDED, VelocityScale
from spirl_ros.errors import ConfigError
from spirl_ros.tasks.disturbance import (
    Disturbance,
    usual_disturbances,
    usual_physical_disturbances,
    usual_physical_training,
)
from spirl_ros.tasks.mujoco_environment import MujocoEnvironment
from spirl_ros.tasks.mujoco_scene import MujocoScene
from spirl_ros.tasks.scene_view import SceneView
from spirl_ros.tasks.task import (
    NO_NOISE,
    DatasetFormat,
    EpisodeConfig,
    MeasurementNoise,
    Operator,
    RobotFacts,
    TaskSpec,
)
from spirl_ros.tasks.tool_point import ToolPoint

if TYPE_CHECKING:
    from spirl_ros.demonstrations.operator_style import OperatorStyle
    from spirl_ros.deployment.bundle import Bundle
    from spirl_ros.rl.evaluation import EvaluationSettings
    from spirl_ros.teleoperation.arm_teleoperation import TeleoperatedArm


class MujocoFamily(ABC):
    """Give the names, `make_scene` and `done_now`, and this is a TaskFamily. The others are there to override."""

    name: str
    subtasks: tuple[str, ...]
    tasks: Mapping[str, tuple[str, ...]]
    max_steps: int = 280
    chain_length: int = 4
    velocity_scale: VelocityScale
    """Joint velocity of an action of 1 [rad/s, m/s]."""
    action_reference: str = COMMANDED
    """Which position an action leads, one of velocity_action.REFERENCES."""
    noise: MeasurementNoise = NO_NOISE
    """Of the simulated sensors."""
    more_fields: tuple[Field, ...] = ()
    """What is observed beside the state; `observe_more` gives it, or a picture's source is a camera of the model."""
    seen_by_prior: tuple[str, ...] = (STATE,)
    """Fields that the skill prior sees, some of the policy's."""
    seen_by_policy: tuple[str, ...] = (STATE,)
    """Fields that the policy sees: what a real robot knows."""
    seen_by_critic: tuple[str, ...] = (STATE,)
    """Fields that the critics see, in simulation perhaps more."""
    arm_model: str = ""
    """What others call the arm, `panda` for example; empty for the family's name."""

    @abstractmethod
    def make_scene(self, *, with_visuals: bool = False) -> MujocoScene:
        """Compile the scene; geometry that is only looked at may be left out. Called once with and once without."""

    @abstractmethod
    def done_now(self, positions: np.ndarray) -> set[str]:
        """Subtasks that are done at these positions of robot and scene (Da+Ds,)."""

    def observe_more(self, environment: MujocoEnvironment) -> Observation:
        """The fields of `more_fields`, as they are now, but for pictures that the model's cameras take."""
        return {}

    def load_scene(self, *, with_visuals: bool = False) -> MujocoScene:
        """The compiled scene, always the same one."""
        return _scene(self, with_visuals)

    @property
    def robot(self) -> RobotFacts:
        """The robot and what is observed."""
        return _robot(self)

    def task(self, text: str) -> TaskSpec:
        """What a name, or a list of subtasks with commas, asks for; an empty text the first task.

        Spaces in a name are taken as `_`, as D4RL spells.

        Raises:
            ConfigError: an unknown or repeated name.
        """
        text = text or next(iter(self.tasks))
        if text in self.tasks:
            return TaskSpec(text, self.tasks[text])
        names = [name.strip().replace(" ", "_") for name in text.split(",")]
        for name in names:
            if name not in self.subtasks:
                close = difflib.get_close_matches(name, [*self.tasks, *self.subtasks], n=1)
                guess = f" Did you mean '{close[0]}'?" if close else ""
                raise ConfigError(
                    f"task is '{text}', but '{name}' is neither a task nor a subtask.{guess} "
                    f"Tasks: {', '.join(self.tasks)}. Subtasks, to be listed in order with commas: "
                    f"{', '.join(self.subtasks)}."
                )
        if len(set(names)) < len(names):
            raise ConfigError(f"task is '{text}', which names a subtask twice. Name each target subtask once.")
        return TaskSpec(text, tuple(names))

    def environment(self, config: EpisodeConfig = EpisodeConfig()) -> MujocoEnvironment:
        """A simulated robot of its own. Raises ConfigError for an unknown task or count, or no time."""
        return MujocoEnvironment(self, config)

    def done(self, observations: np.ndarray) -> Iterable[set[str]]:
        """For each observation (N, Do) the subtasks that are done now."""
        return [self.done_now(observation) for observation in observations]

    def operator(self, style: "OperatorStyle") -> Operator | None:
        """A scripted operator; none unless a family has one."""
        return None

    def tool_positions(self, observations: np.ndarray) -> np.ndarray | None:
        """Where the tool of the view is (N, 3) [m] at observations (N, Do); None without one."""
        scene, view = self.load_scene(), self.view()
        if view is None:
            return None
        data = mujoco.MjData(scene.model)
        data.qpos[:] = scene.initial_positions
        tool = ToolPoint(scene, data, view.tool_frame, view.tool_offset_m)
        positions = np.empty((len(observations), 3))
        for row, observation in enumerate(observations):
            data.qpos[: scene.joint_count] = observation[: scene.joint_count]
            mujoco.mj_kinematics(scene.model, data)
            positions[row] = tool.pose().position
        return positions

    def formats(self) -> Mapping[str, DatasetFormat]:
        """Files of other programs with demonstrations of it; none unless a family has some."""
        return {}

    def peer_evaluation(self) -> "Callable[[Bundle, EvaluationSettings], dict[str, Any]] | None":
        """Evaluates a policy in somebody else's simulator of the scene; none unless a family has one."""
        return None

    def view(self) -> SceneView:
        """What page, RViz and films show: the whole scene, and the way of its last joint's body."""
        return SceneView(
            name=self.name,
            load_scene=lambda: self.load_scene(with_visuals=True),
            tasks=(*self.tasks, *(name for name in self.subtasks if name not in self.tasks)),
            robot_name=self.name,
        )

    def teleoperated_arm(self) -> "TeleoperatedArm | None":
        """How a person moves the arm; nothing unless a family says so."""
        return None

    def disturbances(self) -> Mapping[str, Disturbance]:
        """What its policies are tried against, by name: what every simulated robot can have, unless it has more."""
        return {**usual_disturbances(self.robot), **usual_physical_disturbances(self.robot)}

    def training_disturbance(self) -> Disturbance:
        """What its policies learn with, so that they withstand those."""
        return usual_physical_training(self.robot)


@functools.cache
def _scene(family: MujocoFamily, with_visuals: bool) -> MujocoScene:
    return family.make_scene(with_visuals=with_visuals)


@functools.cache
def _robot(family: MujocoFamily) -> RobotFacts:
    scene = family.load_scene()
    units = scene.units()
    return RobotFacts(
        name=family.name,
        limits=scene.limits,
        observation=ObservationSpec(
            (state_field(units, units.values()), *family.more_fields),
            policy=family.seen_by_policy,
            critic=family.seen_by_critic,
            prior=family.seen_by_prior,
        ),
        control_period_s=scene.control_period_s,
        velocity_scale=family.velocity_scale,
        action_reference=family.action_reference,
        model=family.arm_model,
    )
