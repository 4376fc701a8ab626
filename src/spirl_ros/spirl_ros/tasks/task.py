"""A task family: all that the engine knows of a robot, its scene and what is to be done there."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.observation_fields import Observation, ObservationSpec
from spirl_ros.control.safe_arm import SafeArm
from spirl_ros.control.velocity_action import VelocityAction, VelocityScale
from spirl_ros.tasks.progress import SubtaskProgress

if TYPE_CHECKING:
    from spirl_ros.demonstrations.dataset import Dataset
    from spirl_ros.demonstrations.operator_style import OperatorStyle
    from spirl_ros.deployment.bundle import Bundle
    from spirl_ros.rl.evaluation import EvaluationSettings
    from spirl_ros.tasks.disturbance import Disturbance
    from spirl_ros.tasks.scene_view import SceneView
    from spirl_ros.teleoperation.arm_teleoperation import TeleoperatedArm


@dataclass(frozen=True)
class TaskSpec:
    """What is to be done."""

    text: str
    """As it was asked for: a name, or goals separated by commas."""
    goals: tuple[str, ...]
    """Subtasks, in order."""


@dataclass(frozen=True)
class RobotFacts:
    """A robot in its scene: what a dataset does not say and a bundle must."""

    name: str
    limits: JointLimits
    observation: ObservationSpec
    """What is observed: the state (Do), joints first, then the scene; and other fields, where there are any."""
    control_period_s: float
    """Duration of one control step [s]."""
    velocity_scale: VelocityScale
    """Joint velocity of an action of 1 [rad/s, m/s]."""
    action_reference: str
    """Which position an action leads, one of velocity_action.REFERENCES."""
    model: str = ""
    """What others call this arm, `panda` for example; empty for its name."""

    @property
    def observation_names(self) -> tuple[str, ...]:
        """Name of each value of the state (Do): the joints first, then the scene."""
        return self.observation.state.names

    @property
    def units(self) -> dict[str, str]:
        """Unit of every number that is observed, by name: `rad`, `m`, or `1`; those of the joints included."""
        return self.observation.units

    @property
    def action_meaning(self) -> VelocityAction:
        """Turns an action into a joint command that is held for one control period."""
        limits = self.limits
        return VelocityAction(limits.position_lower, limits.position_upper, self.control_period_s, self.velocity_scale)

    def safe_arm(self, max_age_s: float | None = None) -> SafeArm:
        """A new arm that takes actions of this robot, and no data older than this [s]: by default a control step."""
        return SafeArm(
            self.limits,
            self.control_period_s,
            self.control_period_s if max_age_s is None else max_age_s,
            velocity_scale=self.velocity_scale,
            action_reference=self.action_reference,
        )


class Measurement(NamedTuple):
    """What the sensors report at one moment, noise included."""

    joint_positions: np.ndarray
    """(Da,) [rad, m]."""
    joint_velocities: np.ndarray
    """(Da,) [rad/s, m/s]."""
    scene_positions: np.ndarray
    """(Ds,) [rad, m, 1]."""

    def observation(self) -> np.ndarray:
        """The state (Do,): joint positions, then scene positions."""
        return np.concatenate((self.joint_positions, self.scene_positions))


class StepResult(NamedTuple):
    """What one control step gave."""

    observation: np.ndarray
    """The state (Do,): joint positions, then scene positions, with noise. See `Environment.observe` for the rest."""
    reward: float
    """1 for each target subtask newly counted."""
    terminated: bool
    """Whether the task is complete. Only this stops bootstrapping."""
    truncated: bool
    """Whether time ran out before that."""


@dataclass(frozen=True)
class MeasurementNoise:
    """Uniform noise on every measurement, as a share of the scene's amplitudes (FrankaKitchen-v1's defaults)."""

    robot_ratio: float = 0.01
    """Share for the arm's joints; D4RL's first version had 0.1."""
    scene_ratio: float = 0.0005
    """Share for the rest of the scene."""


NO_NOISE = MeasurementNoise(0.0, 0.0)


@dataclass(frozen=True)
class EpisodeConfig:
    """What an episode is."""

    task: str = ""
    """A task's name, or target subtasks in order, separated by commas; empty for the family's first task."""
    count: str = "ordered"
    """Which completions are rewarded: `ordered` as in the paper, `any` as in gymnasium-robotics."""
    max_steps: int | None = None
    """Control steps until the episode is truncated; None for the family's."""
    terminate_on_complete: bool = True
    """Whether the episode ends when the target subtasks are completed."""
    noise: MeasurementNoise | None = None
    """Noise on every measurement; None for the family's."""


class Environment(Protocol):
    """One simulated robot. Commands arrive after the safety filter. The same seed and commands give the same bits.

    Every control step gives the state (Do,); all fields of the observation come when asked for: a picture costs time.
    """

    measurement: Measurement
    progress: SubtaskProgress
    step_count: int
    targets: tuple[str, ...]
    noise: MeasurementNoise

    @property
    def has_ended(self) -> bool:
        """Whether the current episode is over, by completion or by time."""
        ...

    def reset(self, seed: int, positions: np.ndarray | None = None) -> np.ndarray:
        """Begin an episode, at its start or at rest at positions (Do,), and return its first state (Do,)."""
        ...

    def observe(self) -> Observation:
        """Every field of the robot's observation, as it is now; asking twice gives the same."""
        ...

    def step(self, action: np.ndarray) -> StepResult:
        """Act for one control period with an action (Da,), clipped to [-1, 1] unfiltered, as operators do."""
        ...

    def step_command(self, joint_command: np.ndarray) -> StepResult:
        """Hold a joint command (Da,) [rad, m] for one control period. Raises CommandError; nothing happened then."""
        ...

    def save(self) -> Any:
        """The current moment; `restore` continues from it with the same numbers to the last bit."""
        ...

    def restore(self, state: Any) -> np.ndarray:
        """Go back to a saved moment and return the state (Do,) of it."""
        ...


class Operator(Protocol):
    """Demonstrates by itself. The same seed and observations give the same actions, bit for bit."""

    @property
    def current_subtask(self) -> str | None:
        """The subtask being worked on; None before the first and after the last action."""
        ...

    @property
    def intended_action(self) -> np.ndarray:
        """The latest action (Da,) in [-1, 1] before action noise: what a demonstration teaches."""
        ...

    def start(self, subtasks: Sequence[str], seed: int) -> None:
        """Begin a chain of subtasks at the next observation."""
        ...

    def act(self, observation: np.ndarray) -> np.ndarray | None:
        """The action to execute (Da,) in [-1, 1] for a state (Do,), or None when there is nothing left to do."""
        ...


class DatasetFormat(NamedTuple):
    """Files of other programs with demonstrations of one family."""

    is_at: Callable[[Path], bool]
    """Whether this path, which is there and is nothing that everybody's readers know, can be one."""
    read: Callable[[Path, str | None], "Dataset"]
    """Reads it as a task, or as the one that it names; raises DatasetError."""
    write: Callable[[Path, "Dataset"], None] | None = None
    """Writes one; raises DatasetError."""


class TaskFamily(Protocol):
    """What a folder of tasks gives the engine; see families.py for how it is found."""

    name: str
    """`kitchen`, for example; also the name of its robot in commands and bundles."""
    subtasks: tuple[str, ...]
    """Everything that can be done, in the order of tables."""
    tasks: Mapping[str, tuple[str, ...]]
    """Tasks with a name and their subtasks in order; the first is the default."""
    max_steps: int
    """Control steps of an episode."""
    chain_length: int
    """Subtasks of one scripted demonstration."""

    @property
    def robot(self) -> RobotFacts:
        """The robot and what is observed."""
        ...

    def task(self, text: str) -> TaskSpec:
        """What a name, or a list of subtasks with commas, asks for. Raises ConfigError that lists the names."""
        ...

    def environment(self, config: EpisodeConfig = EpisodeConfig()) -> Environment | None:
        """A simulated robot of its own; None where there is only a real one."""
        ...

    def done(self, observations: np.ndarray) -> Iterable[set[str]]:
        """For each state (N, Do) the subtasks that are done now: rewards in hindsight."""
        ...

    def operator(self, style: "OperatorStyle") -> Operator | None:
        """A scripted operator; None where nobody wrote one."""
        ...

    def tool_positions(self, observations: np.ndarray) -> np.ndarray | None:
        """Where the tool is (N, 3) [m] at states (N, Do); None where nobody can say."""
        ...

    def formats(self) -> Mapping[str, DatasetFormat]:
        """Files of other programs with demonstrations of it, by the format's name."""
        ...

    def peer_evaluation(self) -> "Callable[[Bundle, EvaluationSettings], dict[str, Any]] | None":
        """Evaluates a policy in somebody else's simulator, as rl/evaluation.py does in ours; None for none."""
        ...

    def view(self) -> "SceneView | None":
        """What page, RViz and films show of it; None for nothing."""
        ...

    def teleoperated_arm(self) -> "TeleoperatedArm | None":
        """How a person moves the simulated arm; None where nobody said."""
        ...

    def disturbances(self) -> "Mapping[str, Disturbance]":
        """What its policies are tried against, by name."""
        ...

    def training_disturbance(self) -> "Disturbance":
        """What its policies learn with, so that they withstand those."""
        ...
