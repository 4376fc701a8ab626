"""A run of episodes: when to reset the scene, when to choose a skill, and when to give up. Time is an argument."""

from dataclasses import dataclass
from enum import Enum, auto

from spirl_ros.control.control_loop import LoopState
from spirl_ros.control.episode_moments import EpisodeResult, ExecutorMoment, TaskMoment
from spirl_ros.control.skill_handover import GoalHandover, SkillHandover


@dataclass(frozen=True)
class EpisodeRunConfig:
    """What is run, and with which skills."""

    episodes: int
    """How many; 0 goes on for ever."""
    skill_horizon: int
    """H, control steps of a skill."""
    bundle: str
    """Name of the bundle that skills are chosen with; the executor has to have the same."""
    bundle_digest: str
    """Its identity, compared where the executor tells it."""
    subtasks: tuple[str, ...] | None = None
    """Target subtasks that the task must have; None for any."""
    patience_s: float = 3.0
    """How long anything may stand still in an episode [s]."""
    start_s: float = 20.0
    """How long arm and executor may take to be there [s]."""
    max_steps: int = 0
    """Control steps of an episode without a task. 0: there is a task, which says when an episode ends."""
    resets: bool = True
    """Whether the scene is reset for each episode; otherwise that begins as arm and scene are."""
    goes_on: bool = False
    """Whether it waits after a fault until the cause is gone and begins a new episode, instead of giving up. It
    releases the executor's latch for that, unless a person stopped the arm. For simulation only."""


class NextStep(Enum):
    """What has to be done now."""

    NOTHING = auto()
    RESET = auto()
    """Reset the scene, then tell `reset_answered`, or `give_up`."""
    CHOOSE = auto()
    """Choose a skill on the newest observation and send it, then tell `skill_sent`, or `give_up`. With a GoalHandover
    `outcome_told` follows."""
    RELEASE = auto()
    """Release the latch of the skill executor; asked for again while it is not."""


GO_ON_AFTER_S = 1.0
"""Pause of a run that resumes automatically after a fault, and between two attempts to release the latch [s]."""


class _Phase(Enum):
    WAITING, RESETTING, ACTING, OVER = auto(), auto(), auto(), auto()


class EpisodeRun:
    """Follows what task, executor and observations say and tells what to do next.

    It never waits forever, unless it `goes_on`: then it may between two episodes, and says for what.

    After everything that was told, at `due_s`, and a few times a second, `next` has to be asked. Not thread-safe. Times
    are on the steady clock [s].
    """

    def __init__(self, config: EpisodeRunConfig, now_s: float, handover: SkillHandover | GoalHandover) -> None:
        """Begin by waiting for the executor and for an observation; the handover says when a skill is due."""
        self.config, self.handover = config, handover
        self.results: list[EpisodeResult] = []
        """Of the episodes that have ended; of an endless run the last one alone."""
        self.finished = 0
        """Episodes that have ended."""
        self.failure = ""
        """Why it ended before its last episode did."""
        self.interruption = ""
        """Why there is no episode, in a run that resumes automatically; empty while there is one, or before the
        first."""
        self._phase, self._since_s = _Phase.WAITING, now_s
        self._executor: ExecutorMoment | None = None
        self._executor_s = self._executor_moved_s = self._released_s = now_s
        self._observed_ns, self._observed_s = -1, now_s
        self._task: TaskMoment | None = None
        self._task_moved_s = self._asked_s = now_s
        self._episode: int | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether everything has to be there before an episode can begin: the first one, or the next after a fault."""
        return self._phase is _Phase.WAITING

    @property
    def is_acting(self) -> bool:
        """Whether an episode is under way."""
        return self._phase is _Phase.ACTING

    @property
    def is_over(self) -> bool:
        """Whether all episodes have ended, or it failed."""
        return self._phase is _Phase.OVER

    @property
    def task(self) -> TaskMoment | None:
        """The newest word of the task; None before the first, or without one."""
        return self._task

    @property
    def last_skill_id(self) -> int:
        """The highest number that a skill is known to have had."""
        return max(self.handover.skill_id or 0, 0 if self._executor is None else self._executor.skill_id)

    @property
    def due_s(self) -> float | None:
        """When `next` will ask for a skill, if nothing else happens before; None when that is not known."""
        return self.handover.due_s if self.is_acting else None

    def observed(self, stamp_ns: int, now_s: float) -> None:
        """A whole observation was received."""
        self._observed_ns, self._observed_s = stamp_ns, now_s

    def task_told(self, task: TaskMoment, now_s: float) -> None:
        """A task status was received."""
        before, self._task = self._task, task
        if before is None or task.stamp_ns != before.stamp_ns:
            self._task_moved_s = now_s
        if before is not None and task.stamp_ns < before.stamp_ns and not self.is_waiting:
            self.give_up("the task's time went back, as when a simulator is started again", now_s)

    def executor_told(self, executor: ExecutorMoment, now_s: float) -> None:
        """A skill status was received."""
        before, self._executor, self._executor_s = self._executor, executor, now_s
        if before is None or (executor.skill_id, executor.step) != (before.skill_id, before.step):
            self._executor_moved_s = now_s
        forgot_skills = before is not None and executor.skill_id < before.skill_id
        if forgot_skills and self.handover.numbers_skills and executor.state is LoopState.IDLE and not self.is_waiting:
            # It is ready for a skill, and would move the arm on where the one before it died.
            self.give_up("the skill executor was started again", now_s)
        self.handover.executor_told(executor, now_s)

    def reset_answered(self, episode: int, now_s: float) -> None:
        """The scene was reset; the task's first word on that episode may have come before."""
        self._episode, self._since_s = episode, now_s

    def skill_sent(self, skill_id: int) -> None:
        """A skill that was chosen on the newest observation was sent."""
        self.handover.sent(skill_id, self._observed_ns)

    def outcome_told(self, steps: int, ends_episode: bool, now_s: float) -> None:
        """What came of a skill is known, see GoalHandover."""
        assert isinstance(self.handover, GoalHandover)
        self.handover.outcome_told(steps, ends_episode)
        self._executor_moved_s = now_s  # whatever was heard of its steps

    def fail(self, reason: str) -> None:
        """End the run for good; a skill under way ends by itself."""
        if not self.is_over:
            self._phase, self.failure = _Phase.OVER, reason

    def give_up(self, reason: str, now_s: float) -> None:
        """End the episode for a fault, and the run with it unless it resumes automatically."""
        if not self.config.goes_on or (self._executor is not None and self._executor.is_stopped_by_person):
            self.fail(reason)
        elif not self.is_over:
            self._phase, self._since_s = _Phase.WAITING, now_s
            self._observed_ns = -1
            self.interruption = reason

    def task_refusal(self, subtasks: tuple[str, ...]) -> str:
        """Why a task with these target subtasks cannot be done, or nothing."""
        expected = self.config.subtasks
        if expected is None or subtasks == expected:
            return ""
        return (
            f"the task is {','.join(subtasks)}, but the policy was trained for {','.join(expected)}. "
            "Choose that task, load a bundle for this one, or let the prior choose."
        )

    def next(self, now_s: float, lacking: str = "") -> NextStep:
        """What has to be done now.

        Args:
            now_s: time.
            lacking: what else has to be there before an episode while `is_waiting`, and later what an observation waits
                for, in words; empty when nothing is.
        """
        held_up_s, self._asked_s = now_s - self._asked_s, now_s
        if self._phase is _Phase.WAITING:
            return self._wait(now_s, lacking)
        if held_up_s > self.config.patience_s and not self.is_over:
            # What it hears now is fresh again, so nothing else would keep the arm from moving off by itself.
            return self._give_up(f"the chooser of skills itself was held up for {held_up_s:.1f} s", now_s)
        if self._phase is _Phase.RESETTING:
            return self._await_reset(now_s)
        return self._act(now_s, lacking) if self._phase is _Phase.ACTING else NextStep.NOTHING

    def _wait(self, now_s: float, lacking: str) -> NextStep:
        executor, is_resting = self._executor, bool(self.interruption) and now_s < self._since_s + GO_ON_AFTER_S
        if executor is None:
            lacking = "a skill executor that says what it does on skill_status"
        elif self.config.goes_on and executor.latch and not executor.is_stopped_by_person:
            return self._release(executor.latch, now_s)
        elif fault := self._fault(executor) or self._known_refusal():
            if fault != self.interruption:
                return self._give_up(fault, now_s)
            lacking = fault
        elif executor.state is not LoopState.IDLE:
            lacking = f"the skill executor to be idle; it is {executor.state.name.lower()}"
        elif self._observed_ns < 0:
            lacking = lacking or "joint states, and scene states of the same moment if the bundle needs them"
        elif executor.reason:
            lacking = f"a ready skill executor; it says: {executor.reason}"
        elif self._task is None and not self.config.resets and not self.config.max_steps:
            lacking = "a status of the task"
        if not lacking:
            return NextStep.NOTHING if is_resting else self._begin_episode(now_s)
        if now_s > self._since_s + self.config.start_s and not self.interruption:
            return self._give_up(f"waited {self.config.start_s:g} s for {lacking}", now_s)
        return NextStep.NOTHING

    def _release(self, latch: str, now_s: float) -> NextStep:
        """Have a latch released that no person asked for, some time after it was heard of."""
        if not self.interruption:
            return self._give_up(latch, now_s)
        if now_s < max(self._since_s, self._released_s) + GO_ON_AFTER_S:
            return NextStep.NOTHING
        self._released_s = now_s
        return NextStep.RELEASE

    def _known_refusal(self) -> str:
        """Why a run that goes on cannot do the task that there is; any other finds out after the reset of the scene."""
        return self.task_refusal(self._task.subtasks) if self.config.goes_on and self._task is not None else ""

    def _begin_episode(self, now_s: float) -> NextStep:
        self._since_s, self._episode = now_s, None
        if self.config.resets:
            self._phase = _Phase.RESETTING
            return NextStep.RESET
        if self._task is not None:
            self._episode = self._task.episode
        return self._enter_episode(now_s)

    def _await_reset(self, now_s: float) -> NextStep:
        task, patience_s = self._task, self.config.patience_s
        if self._episode is not None and task is not None and task.episode == self._episode:
            refusal = self.task_refusal(task.subtasks)
            return self._give_up(refusal, now_s) if refusal else self._enter_episode(now_s)
        if now_s > self._since_s + patience_s:
            what = "no answer to a reset of the scene" if self._episode is None else "no status of the episode"
            return self._give_up(f"{what} for {patience_s:g} s. Is the simulator running?", now_s)
        return NextStep.NOTHING

    def _enter_episode(self, now_s: float) -> NextStep:
        self._phase, self.interruption = _Phase.ACTING, ""
        self._executor_s = self._executor_moved_s = self._observed_s = self._task_moved_s = now_s
        self.handover.begin_episode(0 if self._task is None else self._task.stamp_ns)
        return self._act(now_s)

    def _act(self, now_s: float, lacking: str = "") -> NextStep:
        executor, task = self._executor, self._task
        assert executor is not None
        if self.config.max_steps:
            if self.handover.steps >= self.config.max_steps:
                return self._end_episode(EpisodeResult(0, 0, self.handover.steps), now_s)
        else:
            assert task is not None
            if task.episode != self._episode:
                return self._begin_episode(now_s)  # Somebody else reset the scene: this episode is lost.
            if task.has_ended and not self.handover.holds_episode:
                result = EpisodeResult(task.completed_in_order, task.completed_any_order, task.step)
                return self._end_episode(result, now_s)
        if reason := self._fault(executor) or self._halt(executor, now_s, lacking):
            return self._give_up(reason, now_s)
        if self.config.max_steps and self.handover.steps_to_come >= self.config.max_steps:
            return NextStep.NOTHING  # The skill under way is the last one.
        task_ns = None if task is None else task.stamp_ns
        is_due = self.handover.is_due(self._observed_ns, task_ns, now_s)
        return NextStep.CHOOSE if is_due else NextStep.NOTHING

    def _end_episode(self, result: EpisodeResult, now_s: float) -> NextStep:
        if self.config.episodes == 0:
            self.results.clear()
        self.results.append(result)
        self.finished += 1
        if self.finished == self.config.episodes:
            self._phase = _Phase.OVER
            return NextStep.NOTHING
        return self._begin_episode(now_s)

    def _give_up(self, reason: str, now_s: float) -> NextStep:
        self.give_up(reason, now_s)
        return NextStep.NOTHING

    def _fault(self, executor: ExecutorMoment) -> str:
        """Why this executor cannot be sent skills, or nothing."""
        config, name = self.config, executor.state.name.lower()
        if executor.latch:
            return executor.latch
        if executor.state is LoopState.BRAKING and not self.is_waiting:
            return f"the skill executor is {name}: {executor.reason}"
        if self.handover.is_somebody_elses and not self.is_waiting:
            return f"the skill executor carries out a skill of somebody else (number {executor.skill_id})."
        is_same = (executor.bundle, executor.skill_horizon) == (config.bundle, config.skill_horizon)
        if is_same and executor.bundle_digest in ("", config.bundle_digest):
            return ""
        return (
            f"the skill executor runs bundle '{executor.bundle}' ({executor.bundle_digest[:12] or 'no digest'}, "
            f"{executor.skill_horizon} steps a skill), but skills are chosen with '{config.bundle}' "
            f"({config.bundle_digest[:12]}, {config.skill_horizon} steps). Load the same bundle in both."
        )

    def _halt(self, executor: ExecutorMoment, now_s: float, lacking: str) -> str:
        """What stands still for too long, or nothing.

        In lockstep one thing that stands still stops all others, and any of them may be noticed first: what has been
        silent for half the time is the cause.
        """
        longest_s, handover = self.config.patience_s, self.handover
        unseen_s, silent_s = now_s - self._observed_s, now_s - self._executor_s
        unmoved_s = now_s - self._executor_moved_s
        is_task_stuck = not self.config.max_steps and now_s > self._task_moved_s + longest_s
        is_stuck = is_task_stuck or unmoved_s > longest_s
        if unseen_s > longest_s or (is_stuck and min(unseen_s, silent_s) > 0.5 * longest_s):
            cause = f": waited for {lacking}." if lacking else ". Is the arm or the simulator running?"
            return f"no observation for {unseen_s:.1f} s{cause}"
        if not is_stuck:
            return ""
        if silent_s > 0.5 * longest_s:
            return f"nothing from the skill executor for {silent_s:.1f} s. Is it running and active?"
        if unmoved_s > 0.5 * longest_s and handover.skill_id is not None and not handover.has_begun:
            why = executor.reason or "its log says why"
            return f"the skill executor did not begin skill {handover.skill_id} for {unmoved_s:.1f} s: {why}"
        if unmoved_s > longest_s:
            return f"the skill executor made no step for {longest_s:g} s."
        return f"no control step of the task for {longest_s:g} s. Is the simulator running?"
