"""Replays recorded actions in the simulator and measures how far the result drifts from the recording."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spirl_ros.control.velocity_action import MEASURED
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.episode import Episode
from spirl_ros.demonstrations.layout import layout_difference
from spirl_ros.errors import ConfigError, DatasetError
from spirl_ros.tasks.task import NO_NOISE, Environment, EpisodeConfig, MeasurementNoise, StepResult, TaskFamily

AUTO = "auto"
ACTIONS = {
    AUTO: "executed where that repeats the recording from its seed, else commands",
    "executed": "the executed actions, injected noise included",
    "intended": "the intended actions",
    "commands": "the joint commands that were sent: what the executed actions meant at the recorded positions",
}
"""What can be carried out again. An action is a velocity from the measured position, so it depends on what is
measured."""

_SAME = 1e-9
"""Observations that differ by less [rad, m] are the same: noise of a millionth of a radian would show."""
_REPEATED = 1e-6
"""A replay whose joints are never further off [rad, m] repeats the recording: rounding grows in contacts, but not so
far."""

EXPECTED_DRIFT = """\
An episode that was simulated with the same version of mujoco, in process or in lockstep, drifts by nothing from its
seed. Every other one, in realtime too, starts from its first observation, with measurement noise in it, at rest, and
gets the joint commands that were sent: the tool drifts by millimetres, and contacts enlarge that. With --actions
executed it drifts by centimetres or more, because actions are velocities from the measured position, and what is
measured now is not what was measured then. Data of D4RL and of real arms come from other physics besides."""


@dataclass(frozen=True)
class Drift:
    """Distance between replay and recording, the largest over an episode and at its end."""

    max: float
    final: float

    @classmethod
    def of(cls, distances: np.ndarray) -> "Drift":
        """From the distances (T+1,) after each control step."""
        return cls(float(distances.max()), float(distances[-1]))


@dataclass(frozen=True)
class EpisodeReplay:
    """How the replay of one episode compares with its recording."""

    index: int
    """The episode's number in the dataset."""
    steps: int
    """Control steps."""
    actions: str
    """What was carried out, one of ACTIONS but AUTO."""
    start: str
    """`seed`: exactly the recorded initial state and noise; `observation`: the first observation, at rest."""
    joint_drift: Drift
    """Of the joint position that is furthest off [rad, m]."""
    scene_drift: Drift
    """Of the scene position that is furthest off [rad, m, 1]."""
    tool_error_mm: Drift | None
    """Distance between the tool points; None where nobody can say where they are."""
    recorded: Mapping[str, int] = field(default_factory=dict)
    """Subtasks that the recording completed, and the control step after which each was done."""
    replayed: Mapping[str, int] = field(default_factory=dict)
    """Subtasks that the replay completed."""

    @property
    def lost(self) -> list[str]:
        """Subtasks that the recording completed and the replay did not."""
        return [name for name in self.recorded if name not in self.replayed]

    @property
    def gained(self) -> list[str]:
        """Subtasks that only the replay completed."""
        return [name for name in self.replayed if name not in self.recorded]


class EpisodeReplayer:
    """Replays episodes of a task family, one after the other."""

    def __init__(self, family: TaskFamily, actions: str = AUTO, from_observation: bool = False) -> None:
        """Load the scene.

        Args:
            family: whose they are.
            actions: what to carry out, one of ACTIONS.
            from_observation: start from the first observation even where the recorded seed gives the exact state.

        Raises:
            ConfigError: no such actions.
        """
        if actions not in ACTIONS:
            raise ConfigError(f"actions is '{actions}', expected one of {', '.join(ACTIONS)}.")
        self._actions, self._is_auto = actions, actions == AUTO
        self._from_observation = from_observation
        self._family, self._robot = family, family.robot

    def replay(self, episode: Episode, index: int = 0) -> EpisodeReplay:
        """Replay one episode, which is number `index` of its dataset.

        Raises:
            DatasetError: the episode is not one of the family.
        """
        foreign = layout_difference(self._robot, episode.metadata)
        if foreign is not None:
            raise DatasetError(f"episode {index}: {foreign}. It can only do its own.")
        environment = None if self._from_observation else self._from_seed(episode)
        if environment is not None:
            repeated = self._carry_out(
                environment, episode, index, "executed" if self._is_auto else self._actions, "seed"
            )
            # A recording in realtime can begin as its seed says, and go its own way later.
            if not self._is_auto or repeated.joint_drift.max < _REPEATED:
                return repeated
        environment = self._from_first_observation(episode)
        return self._carry_out(
            environment, episode, index, "commands" if self._is_auto else self._actions, "observation"
        )

    def _carry_out(
        self, environment: Environment, episode: Episode, index: int, actions: str, start: str
    ) -> EpisodeReplay:
        observations = [environment.measurement.observation()]
        for step in range(episode.steps):
            observations.append(self._act(environment, episode, step, actions).observation)
        difference = np.abs(np.array(observations) - episode.observations)  # (T+1, Do)
        joints = len(self._robot.limits.joint_names)
        tools, recorded = (
            self._family.tool_positions(np.array(observations)),
            self._family.tool_positions(episode.observations),
        )
        return EpisodeReplay(
            index,
            episode.steps,
            actions,
            start,
            Drift.of(difference[:, :joints].max(axis=1)),
            Drift.of(difference[:, joints:].max(axis=1, initial=0.0)),
            None if tools is None or recorded is None else Drift.of(1000.0 * np.linalg.norm(tools - recorded, axis=1)),
            episode.metadata.completed_at_step,
            environment.progress.completed_at_step,
        )

    def _act(self, environment: Environment, episode: Episode, step: int, actions: str) -> StepResult:
        if actions == "intended":
            return environment.step(episode.actions[step])
        # An action that does not lead the measured position means the same wherever the arm is.
        if actions == "executed" or self._robot.action_reference != MEASURED:
            return environment.step(episode.executed_actions[step])
        measured = episode.observations[step, : len(self._robot.limits.joint_names)]
        return environment.step_command(
            self._robot.action_meaning.joint_command(episode.executed_actions[step], measured)
        )

    def _from_seed(self, episode: Episode) -> Environment | None:
        """An environment at the episode's beginning, or None when the recorded seed does not give it.

        In realtime it does not: the sensors are read several times in a control step, which draws more noise. That
        shows after the first action.
        """
        seed, noise = episode.metadata.seed, episode.metadata.measurement_noise
        if seed is None or not noise:
            return None
        environment = self._environment(episode, MeasurementNoise(**noise))
        simulated = [environment.reset(seed), environment.step(episode.executed_actions[0]).observation]
        if not np.allclose(simulated, episode.observations[:2], rtol=0.0, atol=_SAME):
            return None
        environment.reset(seed)
        return environment

    def _from_first_observation(self, episode: Episode) -> Environment:
        """An environment without noise that starts with what was first measured, at rest."""
        environment = self._environment(episode, NO_NOISE)
        environment.reset(seed=0, positions=episode.observations[0])
        return environment

    def _environment(self, episode: Episode, noise: MeasurementNoise) -> Environment:
        environment = self._family.environment(
            EpisodeConfig(self._task(episode), "any", episode.steps, terminate_on_complete=False, noise=noise)
        )
        if environment is None:
            raise ConfigError(f"the task family {self._family.name} has no simulator, so nothing is replayed in it.")
        return environment

    def _task(self, episode: Episode) -> str:
        """What was to be done, on which the scene may depend; empty where that is no task of the family."""
        subtasks = episode.metadata.task
        is_known = set(subtasks) <= set(self._family.subtasks) and len(set(subtasks)) == len(subtasks)
        return ",".join(subtasks) if is_known else ""


def spread_episodes(dataset: Dataset, count: int) -> list[int]:
    """Numbers of `count` episodes, spread evenly over a dataset; all of them when there are not more."""
    total = len(dataset.episodes)
    return sorted({round(i) for i in np.linspace(0, total - 1, min(count, total))})


def replay_summary(replays: list[EpisodeReplay]) -> dict[str, Any]:
    """Figures over all replayed episodes, such that JSON can hold them."""
    figures: dict[str, Any] = {
        "replayed": len(replays),
        "started_from_seed": sum(one.start == "seed" for one in replays),
        "same_subtasks": sum(not one.lost and not one.gained for one in replays),
        "subtasks_recorded": sum(len(one.recorded) for one in replays),
        "subtasks_repeated": sum(len(one.recorded) - len(one.lost) for one in replays),
    }
    for name in ("joint_drift", "scene_drift", "tool_error_mm"):
        drifts: list[Drift] = [drift for one in replays if (drift := getattr(one, name)) is not None]
        if not drifts:
            continue
        figures[f"{name}_max"] = max(one.max for one in drifts)
        figures[f"{name}_max_median"] = float(np.median([one.max for one in drifts]))
        figures[f"{name}_final_median"] = float(np.median([one.final for one in drifts]))
    return figures
