"""Turns the messages of a recording into episodes, with the observation assembler that feeds the robot.

A control step begins with a task status and ends with the next one. The observation at its ends is the joint state and
scene state with the status's stamp. The *intended* action is the last `operator_action` sent within the step. The
*executed* one is what the joint command in force says: how far it leads the measured position (see VelocityAction).
A command that a joint limit cut short says only what was left of the action, so where the intended action gives the
same command, the intended one was executed. Without `operator_action` the executed action counts as intended; without
commands of this kind, for example of an arm that is driven by trajectories, the intended one counts as executed.
Exported bags tell the executed action themselves.
"""

import bisect
import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from spirl_ros.control.observation import ObservationAssembler
from spirl_ros.control.velocity_action import VelocityAction
from spirl_ros.demonstrations.episode import Episode, EpisodeMetadata
from spirl_ros.demonstrations.formats.bag_messages import (
    SEED,
    UNKNOWN,
    BagMessages,
    Received,
    other_definition,
    stamp_ns,
    states_of,
)
from spirl_ros.demonstrations.self_descriptions import described
from spirl_ros.demonstrations.sender_clocks import clock_steps
from spirl_ros.errors import DatasetError, ObservationError
from spirl_ros.files.plain_yaml import printable

_SAME_COMMAND = 1e-9
"""Joint commands this close are the same [rad, m]."""

_PERIOD_TOLERANCE = 0.01
"""Relative difference of control periods that still is the same rate."""


class _Sent(NamedTuple):
    """Arrays (Da,) in the order they were sent."""

    times_ns: list[int]
    values: list[np.ndarray]

    def latest(self, begin_ns: int, end_ns: int) -> np.ndarray | None:
        """The last one sent from `begin_ns` on and before `end_ns`; None when there is none."""
        index = bisect.bisect_left(self.times_ns, end_ns) - 1
        return self.values[index] if index >= 0 and self.times_ns[index] >= begin_ns else None


class _Told(NamedTuple):
    """What recorder, simulator and operator said about an episode."""

    is_success: bool
    has_no_seed: bool
    metadata: dict[str, Any]
    """Fields of EpisodeMetadata."""


class ReadEpisodes(NamedTuple):
    """What was read from a recording."""

    episodes: list[Episode]
    moments_ns: list[np.ndarray]
    """Of each, the stamps (T+1,) of its observations [ns]."""
    left_out: int
    """Others, whose beginning or every action is missing."""


class EpisodeReader:
    """Reads recordings of one arm and scene."""

    def __init__(self, metadata: EpisodeMetadata, meaning: VelocityAction) -> None:
        """Fix the layout.

        Args:
            metadata: names and rate that every recording must have; task and operator are filled in.
            meaning: what an action means to the arm.
        """
        self._metadata = metadata
        self._meaning = meaning
        self._joints = len(metadata.joint_names)

    def episodes(self, messages: BagMessages) -> ReadEpisodes:
        """Episodes of a recording.

        Raises:
            DatasetError: other joints, another rate, a value that is not finite, or control steps are missing.
        """
        try:
            observations = self._observations(messages)
            commands, intentions = self._arrays(messages, "commands"), self._arrays(messages, "operator_action")
            told_actions = self._arrays(messages, "executed_action")
            if not commands.times_ns and not intentions.times_ns:
                raise DatasetError(
                    "there is neither an operator_action nor a command, expected at least one of them as "
                    "std_msgs/msg/Float64MultiArray. Trajectories alone do not show which action was meant."
                )
            runs = _runs(messages.by_role["task_status"])
            whole = [run for run in runs if run[0].content.step == 0]
            chosen = [run for run in whole or runs if len(run) > 1]
            episodes = [
                self._episode(
                    run, observations, commands, intentions, told_actions, _told(messages, run, is_last=run is runs[-1])
                )
                for run in chosen
            ]
        except DatasetError as error:
            raise DatasetError(f"{messages.path}: {error}") from error
        except AttributeError as error:
            raise other_definition(messages.path, error) from error
        if not episodes:
            raise DatasetError(
                f"{messages.path} has no control step, expected a task status after at least one action: it was "
                "recorded "
                "when the task was over, or was ended at once. Leave it out: import the others by name, or delete it."
            )
        moments_ns = [np.array([stamp_ns(status.content) for status in run], dtype=np.int64) for run in chosen]
        return ReadEpisodes(episodes, moments_ns, len(runs) - len(episodes))

    def _observations(self, messages: BagMessages) -> dict[int, np.ndarray]:
        """Observation (Do,) by stamp [ns]."""
        joints, scene = self._metadata.joint_names, self._metadata.observation_names[self._joints :]
        assembler = ObservationAssembler(joints, scene)
        updates = [
            (received.sent_ns, update, role, received.content)
            for role, names, update in (
                ("joint_states", joints, assembler.update_joint_state),
                ("scene_state", scene, assembler.update_scene_state),
            )
            for _, received in states_of(names, messages.by_role[role])
        ]
        observations = {}
        for sent_ns, update, role, content in sorted(updates, key=lambda entry: entry[0]):
            measured_ns = stamp_ns(content)
            try:
                update(content.name, content.position, measured_ns, sent_ns * 1e-9)
            except ObservationError as error:
                raise DatasetError(
                    f"{role} of {measured_ns * 1e-9:.3f} s: {printable(str(error))} Expected a finite position for "
                    "every name."
                ) from error
            if assembler.is_complete:
                observations[assembler.stamp_ns] = assembler.observation()
        return observations

    def _episode(
        self,
        run: list[Received],
        observations: dict[int, np.ndarray],
        commands: _Sent,
        intentions: _Sent,
        told_actions: _Sent,
        told: _Told,
    ) -> Episode:
        first, last = run[0].content, run[-1].content
        self._require_steps(run)
        measured = [self._observation_of(status.content, observations) for status in run]
        actions, executed = [], []
        for (begin, end), observation in zip(itertools.pairwise(run), measured, strict=False):
            command = commands.latest(run[0].sent_ns, end.sent_ns)
            intention = intentions.latest(begin.sent_ns, end.sent_ns)
            exported = told_actions.latest(begin.sent_ns, end.sent_ns)
            if exported is not None:
                action = exported
            elif commands.times_ns:
                action = self._executed(command, intention, observation[: self._joints])
            else:
                action = np.zeros(self._joints) if intention is None else np.clip(intention, -1.0, 1.0)
            executed.append(action)
            actions.append(action if intention is None else intention)
        terminated = bool(last.terminated) or (told.is_success and not last.truncated)
        completed = {
            subtask: step - first.step
            for subtask, step in zip(last.completed, last.completed_at_step, strict=True)
            if step > first.step
        }
        return Episode(
            np.array(measured),
            np.array(actions),
            np.array(executed),
            np.array([status.content.reward for status in run[1:]], dtype=float),
            terminated=terminated,
            truncated=not terminated,
            metadata=replace(
                self._metadata,
                task=tuple(last.subtasks),
                completed_at_step=completed,
                seed=None if told.has_no_seed else int(last.seed),
                **told.metadata,
            ),
        )

    def _require_steps(self, run: list[Received]) -> None:
        """Refuse lost control steps and another rate."""
        expected_s = 1.0 / self._metadata.control_rate_hz
        for before, after in itertools.pairwise(status.content for status in run):
            if after.step != before.step + 1:
                raise DatasetError(
                    f"task_status lacks the control steps between {before.step} and {after.step} of episode "
                    f"{before.episode}: messages were lost."
                )
            period_s = (stamp_ns(after) - stamp_ns(before)) * 1e-9
            if abs(period_s - expected_s) > _PERIOD_TOLERANCE * expected_s:
                _require_one_clock(run)
                raise DatasetError(
                    f"control step {after.step} of episode {after.episode} lasted {period_s:.4f} s, expected "
                    f"{expected_s:.4f} s ({self._metadata.control_rate_hz:g} Hz)."
                )

    def _observation_of(self, status: Any, observations: dict[int, np.ndarray]) -> np.ndarray:
        measured_ns = stamp_ns(status)
        if measured_ns not in observations:
            raise DatasetError(
                f"there is no joint state and scene state of {measured_ns * 1e-9:.3f} s, when control step "
                f"{status.step} "
                f"of episode {status.episode} ended: messages were lost, or the two are not measured together."
            )
        return observations[measured_ns]

    def _arrays(self, messages: BagMessages, role: str) -> _Sent:
        """Messages of a role as arrays (Da,)."""
        sent = _Sent([], [])
        for received in messages.by_role[role]:
            values = np.asarray(received.content.data, dtype=float)
            if values.shape != (self._joints,) or not np.isfinite(values).all():
                raise DatasetError(
                    f"{role} has {printable(str(values.tolist()[:100]))}, expected {self._joints} finite values."
                )
            sent.times_ns.append(received.sent_ns)
            sent.values.append(values)
        return sent

    def _executed(
        self, command: np.ndarray | None, intention: np.ndarray | None, joint_positions: np.ndarray
    ) -> np.ndarray:
        """The action (Da,) in [-1, 1] that a command amounts to at a measured position; 0 before the first command."""
        if command is None:
            return np.zeros(self._joints)
        action = np.clip(self._meaning.action(command, joint_positions), -1.0, 1.0)
        if intention is None:
            return action
        asked = self._meaning.joint_command(intention, joint_positions)
        return np.where(np.abs(asked - command) < _SAME_COMMAND, np.clip(intention, -1.0, 1.0), action)


def _require_one_clock(run: Sequence[Received]) -> None:
    """Refuse an episode in which the clock that stamps control steps was set."""
    steps = clock_steps([stamp_ns(status.content) for status in run], [status.received_ns for status in run])
    for step in steps:
        content = run[step.index].content
        raise DatasetError(
            f"the clock that stamps task_status was {step} before control step {content.step} of episode "
            f"{content.episode}. Leave this recording out, and let a clock be set before or after an episode."
        )


def _told(messages: BagMessages, run: list[Received], is_last: bool) -> _Told:
    operator = messages.details.get("operator") or f"recorded in {messages.path.name}"
    metadata = {"operator": operator, **described(messages.by_role, run[0].sent_ns, run[-1].sent_ns)}
    if is_last:
        metadata["is_success"] = messages.verdict
    return _Told(is_last and messages.is_success, messages.details.get(SEED) == UNKNOWN, metadata)


def _runs(statuses: Sequence[Received]) -> list[list[Received]]:
    """Statuses by episode, each control step once, up to the episode's end."""
    runs: list[list[Received]] = []
    for status in statuses:
        content = status.content
        if not runs or content.episode != runs[-1][-1].content.episode:
            runs.append([status])
            continue
        before = runs[-1][-1].content
        if not (before.terminated or before.truncated) and content.step != before.step:
            runs[-1].append(status)
    return runs
