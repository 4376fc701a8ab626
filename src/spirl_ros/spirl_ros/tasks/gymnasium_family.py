"""Environments of Gymnasium as task families, one each: `gymnasium:PointMaze_UMaze-v3`.

Only environments with continuous actions that say when they have succeeded: a reward here is a subtask that is done,
and the rewards of the environment itself are not read.
"""

import contextlib
import difflib
import importlib
import importlib.util
import io
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import packages_distributions, requires
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.observation_fields import ObservationSpec, state_field
from spirl_ros.control.velocity_action import CENTRE, as_velocity_scale
from spirl_ros.errors import ConfigError
from spirl_ros.tasks.disturbance import Disturbance, usual_disturbances
from spirl_ros.tasks.gymnasium_environment import REACHED, SUCCESS, GymnasiumEnvironment
from spirl_ros.tasks.task import DatasetFormat, EpisodeConfig, Operator, RobotFacts, TaskSpec

if TYPE_CHECKING:
    from spirl_ros.demonstrations.operator_style import OperatorStyle
    from spirl_ros.deployment.bundle import Bundle
    from spirl_ros.rl.evaluation import EvaluationSettings
    from spirl_ros.tasks.scene_view import SceneView
    from spirl_ros.teleoperation.arm_teleoperation import TeleoperatedArm

_MAX_STEPS, _CONTROL_PERIOD_S = 1000, 0.05
"""Of an environment that has none."""


class GymnasiumFamily:
    """One environment: its actuators a0, a1, … as a robot's joints, its observation as the scene, its success as goal.

    An action is the command itself, so an actuator is at once where it was sent. Its range is that of the
    environment's action and its rates allow every change of it: the safety filter refuses what is no number, and
    nothing else.
    """

    subtasks: tuple[str, ...] = (REACHED,)
    tasks: Mapping[str, tuple[str, ...]] = {REACHED: (REACHED,)}
    chain_length: int = 1

    def __init__(self, environment: str) -> None:
        """Make the environment once to see what it takes and gives.

        Args:
            environment: as `gymnasium.make` takes it; `MODULE:ENVIRONMENT` imports the module that registers it, if
                that is of an installed package that depends on Gymnasium.

        Raises:
            ConfigError: there is none of that name, or it cannot be a family.
        """
        self.name = f"gymnasium:{environment}"
        self._environment = environment
        self.max_steps: int = _specification(environment).max_episode_steps or _MAX_STEPS
        made = self.make()
        try:
            self.action_space = _action_space(environment, made.action_space)
            self.observation_space = made.observation_space
            self._scene_names = tuple(_value_names(environment, made.observation_space))
            self._control_period_s = _control_period_s(made)
            made.reset(seed=0)
            info = made.step(made.action_space.sample())[4]
        finally:
            made.close()
        if not any(name in info for name in SUCCESS):
            raise ConfigError(
                f"{environment} does not say when it has succeeded (info has {', '.join(info) or 'nothing'}), and its "
                f"own rewards are not read. Choose a goal environment, or wrap it so that info has {SUCCESS[0]}."
            )

    def make(self) -> gymnasium.Env:
        """A new one, without limit of time. Raises ConfigError where something that it needs is not installed."""
        try:
            return gymnasium.make(self._environment, max_episode_steps=-1, disable_env_checker=True)
        except Exception as error:  # other people's code raises of every kind
            raise ConfigError(f"{self._environment} cannot be made: {error}") from error

    def to_action(self, command: np.ndarray) -> np.ndarray:
        """What the environment takes for a command (Da,)."""
        return command.reshape(self.action_space.shape).astype(self.action_space.dtype)

    def to_scene(self, observation: Any) -> np.ndarray:
        """The values (Ds,) of what the environment gives."""
        return np.array(spaces.flatten(self.observation_space, observation), dtype=float)

    @cached_property
    def robot(self) -> RobotFacts:
        """The actuators, and what is observed: what each was sent last, then what the environment gives."""
        lower, upper = (np.ravel(bound).astype(float) for bound in (self.action_space.low, self.action_space.high))
        velocity = (upper - lower) / self._control_period_s
        acceleration = 2.0 * velocity / self._control_period_s  # from full speed one way to full speed the other
        names = tuple(f"a{index}" for index in range(len(lower)))
        observed = (*names, *self._scene_names)
        return RobotFacts(
            name=self.name,
            limits=JointLimits(names, lower, upper, velocity, acceleration, acceleration / self._control_period_s),
            observation=ObservationSpec((state_field(observed, ("1",) * len(observed)),)),
            control_period_s=self._control_period_s,
            velocity_scale=as_velocity_scale(tuple(0.5 * velocity)),
            action_reference=CENTRE,
        )

    def task(self, text: str) -> TaskSpec:
        """The only one there is. Raises ConfigError for another."""
        if text not in ("", REACHED):
            raise ConfigError(f"task is '{text}', but {self.name} has only {REACHED}. Leave the task out.")
        return TaskSpec(REACHED, (REACHED,))

    def environment(self, config: EpisodeConfig = EpisodeConfig()) -> GymnasiumEnvironment:
        """One of its own. Raises ConfigError for what cannot be simulated."""
        return GymnasiumEnvironment(self, config)

    def done(self, observations: np.ndarray) -> Iterable[set[str]]:
        """Nobody can say afterwards: success is in no observation."""
        raise ConfigError(f"{self.name} says only while it runs what is done. Learn without demonstrations.")

    def operator(self, style: "OperatorStyle") -> Operator | None:
        """There is none."""
        return None

    def tool_positions(self, observations: np.ndarray) -> np.ndarray | None:
        """Nobody can say."""
        return None

    def formats(self) -> Mapping[str, DatasetFormat]:
        """There are none."""
        return {}

    def peer_evaluation(self) -> "Callable[[Bundle, EvaluationSettings], dict[str, Any]] | None":
        """There is none."""
        return None

    def view(self) -> "SceneView | None":
        """There is none: the scene is the environment's own."""
        return None

    def teleoperated_arm(self) -> "TeleoperatedArm | None":
        """There is none."""
        return None

    def disturbances(self) -> Mapping[str, Disturbance]:
        """What every robot can have that has no sensors of angles: late actions and old observations."""
        return usual_disturbances(self.robot)

    def training_disturbance(self) -> Disturbance:
        """The same, mixed; how much its observations err nobody can say."""
        about = "late actions and old observations"
        return Disturbance(about, observation_delays=(0, 0, 1), action_delays=(0, 0, 1, 2), share=0.5)


def _specification(environment: str) -> EnvSpec:
    """What Gymnasium knows of an environment. Raises ConfigError where nobody has registered it."""
    if importlib.util.find_spec("gymnasium_robotics") is not None:
        with contextlib.redirect_stderr(io.StringIO()):  # it tells of rewards that it has changed
            import gymnasium_robotics
        gymnasium.register_envs(gymnasium_robotics)
    module, _, name = environment.rpartition(":")
    if module and not (module in sys.modules or _builds_on_gymnasium(module)):
        raise ConfigError(
            f"module of {environment} is '{module}', expected one of an installed package that depends on gymnasium. "
            "Install it, and check the name."
        )
    try:
        if module:
            importlib.import_module(module)
        return gymnasium.spec(name)
    except ImportError as error:
        raise ConfigError(f"module of {environment} cannot be imported: {error}. Install what it needs.") from error
    except gymnasium.error.Error as error:
        close = difflib.get_close_matches(name, gymnasium.registry, n=3)
        guess = f" Did you mean {' or '.join(close)}?" if close else ""
        raise ConfigError(
            f"environment is '{name}', which is not registered with Gymnasium.{guess} Another package's is found by "
            "the module that registers it: gymnasium:MODULE:ENVIRONMENT."
        ) from error


def _builds_on_gymnasium(module: str) -> bool:
    """Whether it may be imported because a text names it, which may stand in a stranger's bundle."""
    packages = packages_distributions().get(module.partition(".")[0], ())
    return any(needed.startswith("gymnasium") for package in packages for needed in requires(package) or ())


def _action_space(environment: str, space: spaces.Space) -> spaces.Box:
    if isinstance(space, (spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)):
        raise ConfigError(f"{environment} has discrete actions ({space}), expected a Box of numbers. Choose another.")
    if not isinstance(space, spaces.Box) or not np.issubdtype(space.dtype, np.floating):
        raise ConfigError(f"{environment} has actions {space}, expected a Box of numbers. Choose another.")
    if not space.is_bounded():
        raise ConfigError(f"{environment} has actions without bounds ({space}). Wrap it in one with bounds.")
    return space


def _value_names(environment: str, space: spaces.Space, name: str = "") -> Iterator[str]:
    """A name for each value of a flattened observation: its key, or keys, and its place there."""
    if isinstance(space, spaces.Dict):
        for key, part in space.spaces.items():
            yield from _value_names(environment, part, f"{name}{key}_".replace(" ", "_"))
    elif not isinstance(space, spaces.Box):
        raise ConfigError(f"{environment} observes {space}, expected a Box, or a Dict of Boxes. Choose another.")
    elif space.dtype == np.uint8 and len(space.shape) > 1:
        raise ConfigError(f"{environment} observes pictures ({space}), which are not read yet. Choose another.")
    else:
        yield from (f"{name or 'observation_'}{index}" for index in range(int(np.prod(space.shape))))


def _control_period_s(environment: gymnasium.Env) -> float:
    """Its `dt`, or else the time between two pictures of its films."""
    period_s = getattr(environment.unwrapped, "dt", None)
    frames_hz = environment.metadata.get("render_fps")
    return float(period_s or (1.0 / frames_hz if frames_hz else _CONTROL_PERIOD_S))
