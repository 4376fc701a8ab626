"""The skill under way, the one that waits for its turn, and how those before them went."""

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from spirl_ros.control.observation_fields import STATE
from spirl_ros.control.skill_executor import SkillExecutor
from spirl_ros.control.skill_model import RunnableSkills
from spirl_ros.errors import SkillError

_NO_LATENT = np.empty(0, dtype=np.float32)


class Outcome(IntEnum):
    """How a skill ended; the numbers are those of spirl_msgs/ExecuteSkill."""

    COMPLETED = 0
    CANCELED = 1
    STOPPED = 2


class SkillRequest(NamedTuple):
    """A skill to execute."""

    latent: np.ndarray | None
    """(Dz,); None draws one from the prior when the skill begins."""
    skill_id: int = 0
    """The chooser's number for it."""
    observed_ns: int = 0
    """When the observation that it was chosen on was measured [ns]; 0 when that is not known."""


class SkillReport(NamedTuple):
    """How a skill went."""

    request: SkillRequest
    """The very object that was given to `execute`."""
    outcome: Outcome
    message: str
    """Why it ended early; empty when all its steps were sent."""
    latent: np.ndarray
    """(Dz,); empty when it never began."""
    steps: int
    """Control steps sent."""
    reward: float
    """Sum of the task's rewards seen."""
    interventions: int
    """Commands that the safety filter changed or refused."""
    terminated: bool
    truncated: bool


class SkillSequence:
    """Takes requests one after another, decodes the one under way, and reports each of them exactly once.

    It knows nothing of time, of safety, or of the arm. Not thread-safe.
    """

    def __init__(self, model: RunnableSkills) -> None:
        """Nothing is under way."""
        self._model_after: RunnableSkills | None = None
        self._use(model)
        self._waiting: SkillRequest | None = None
        self._current: SkillRequest | None = None
        self._reports: list[SkillReport] = []
        self._reward, self._terminated, self._truncated = 0.0, False, False
        self._skill_id = 0
        self.interventions = 0
        """Commands of the skill under way that the safety filter changed or refused; counted by the caller."""

    @property
    def model(self) -> RunnableSkills:
        """The skills in use."""
        return self._model

    @property
    def waiting(self) -> SkillRequest | None:
        """The skill that begins next."""
        return self._waiting

    @property
    def current(self) -> SkillRequest | None:
        """The skill under way."""
        return self._current

    @property
    def skill_id(self) -> int:
        """The chooser's number of the skill under way, or of the last one."""
        return self._skill_id

    @property
    def latent(self) -> np.ndarray:
        """Latent (Dz,) of that skill; empty before the first."""
        return _NO_LATENT if self.executor.latent is None else self.executor.latent

    @property
    def steps_done(self) -> int:
        """Control steps of it that were decoded."""
        return self.executor.steps_done

    @property
    def reward(self) -> float:
        """Sum of rewards seen during it."""
        return self._reward

    def put(self, request: SkillRequest, *, replace: bool = False) -> None:
        """Let a skill wait for its turn, in place of one that waits; `replace` ends the one under way, too."""
        self.drop_waiting(Outcome.CANCELED, "another skill took its place before it began")
        if replace:
            self.end(Outcome.CANCELED, "another skill replaced it")
        self._waiting = request

    def drop_waiting(self, outcome: Outcome, message: str) -> None:
        """Report the skill that waits as never begun. Nothing happens when there is none."""
        if self._waiting is not None:
            self._reports.append(SkillReport(self._waiting, outcome, message, _NO_LATENT, 0, 0.0, 0, False, False))
            self._waiting = None

    def begin(self, state: np.ndarray, generator: np.random.Generator) -> None:
        """Begin the skill that waits, with a latent drawn at this state (Do,) where it has none."""
        assert self._waiting is not None and self._current is None
        self._current, self._waiting = self._waiting, None
        self._skill_id = self._current.skill_id
        self._reward, self._terminated, self._truncated = 0.0, False, False
        self.interventions = 0
        latent = self._current.latent
        self.executor.abort()
        try:
            if latent is None:
                latent = self._model.prior.sample({STATE: state.astype(np.float32)}, generator)
            self.executor.start(latent)
        except SkillError as error:
            self.end(Outcome.STOPPED, str(error))

    def add_step_result(self, reward: float, terminated: bool, truncated: bool) -> None:
        """Take in what the task said about a control step of the skill under way."""
        if self._current is not None and self.executor.steps_done > 0:
            self._reward += reward
            self._terminated |= terminated
            self._truncated |= truncated

    def end_if_done(self) -> None:
        """Report the skill under way as completed when its steps are done or the episode has ended."""
        if self._current is None:
            return
        has_ended = self._terminated or self._truncated
        if self.executor.is_done or has_ended:
            if has_ended:
                self.drop_waiting(Outcome.STOPPED, "the episode ended before it began")
            message = "" if self.executor.is_done else f"the episode ended after {self.steps_done} steps"
            self.end(Outcome.COMPLETED, message)

    def end(self, outcome: Outcome, message: str) -> None:
        """Report the skill under way; the next one may be of another model. Nothing happens when there is none."""
        if self._current is None:
            return
        self._reports.append(
            SkillReport(
                self._current,
                outcome,
                message,
                self.latent,
                self.steps_done,
                self._reward,
                self.interventions,
                self._terminated,
                self._truncated,
            )
        )
        self._current = None
        if self._model_after is not None:
            self._use(self._model_after)
            self._model_after = None

    def swap(self, model: RunnableSkills) -> bool:
        """Use other skills from the next one on; returns whether that is at once."""
        if self._current is None:
            self._use(model)
            return True
        self._model_after = model
        return False

    def take_reports(self) -> tuple[SkillReport, ...]:
        """Skills that have ended since this was last asked, in their order."""
        reports = tuple(self._reports)
        self._reports.clear()
        return reports

    def _use(self, model: RunnableSkills) -> None:
        self._model = model
        self.executor = SkillExecutor(
            model.decoder,
            model.skill_horizon,
            model.latent_size,
            len(model.observation_names),
            len(model.limits.joint_names),
        )
