"""When the next skill is due: before the executor comes to the end of one, or after what came of it is known."""

from collections import deque

from spirl_ros.control.control_loop import LoopState
from spirl_ros.control.episode_moments import ExecutorMoment

TICKS_TO_BEGIN = 3
"""Control periods after which an idle executor has dropped a skill: the first may have been before it arrived."""

SAME_MOMENT_S = 0.002
"""In lockstep, how long after the executor's status the state of the same moment may be on its way [s]."""

_MOST_OWN_IDS = 100
"""More skills than that are never sent before one is told of: a run is given up after some seconds without one."""


class SkillHandover:
    """Follows the executor through an episode's skills, which it takes from a topic without a step between them.

    Where time waits (lockstep), a skill is due at the moment after the last control step of the one before, when
    observation, task and executor all tell of that same moment: latents are those of a rollout in process. Where it
    does not, the next skill is due `lead_s` before that moment, so that it is there when the executor wants it: the
    observation that it is chosen on is older by that time.

    Not thread-safe. Times are on the steady clock [s].
    """

    numbers_skills = True
    """Whether the executor says the numbers of the skills that were sent here."""
    holds_episode = False
    """Whether the episode's end has to wait for what comes of a skill."""

    def __init__(
        self,
        skill_horizon: int,
        control_period_s: float,
        lead_s: float,
        time_waits: bool,
        sent_before: tuple[int, ...] = (),
    ) -> None:
        """Idle until `begin_episode`.

        Args:
            skill_horizon: H, control steps of a skill.
            control_period_s: time between two control steps [s].
            lead_s: how long before the end of a skill the next one is due, where time does not wait [s].
            time_waits: simulated time stands still until a command comes.
            sent_before: `own_ids` of the run before this one: the executor may still come to them.
        """
        self._skill_horizon, self._period_s, self._lead_s = skill_horizon, control_period_s, lead_s
        self._time_waits = time_waits
        self.late_skills = 0
        """Skills that were not there in time: the arm came to rest before them."""
        self.skill_id: int | None = None
        """The last one sent in this episode; None before the first."""
        self._executor: ExecutorMoment | None = None
        self._own_ids = deque(sent_before, maxlen=_MOST_OWN_IDS)
        self.begin_episode(0)

    @property
    def due_s(self) -> float | None:
        """When to look whether the next skill is due, if nothing else happens before; None when that is not known."""
        return self._due_s

    @property
    def wants_observation(self) -> bool:
        """Whether only a new observation can make a skill due: the executor waits, and time or the arm stands still."""
        is_idle = self._executor is not None and self._executor.state is LoopState.IDLE
        return self.skill_id is None or (self._time_waits and is_idle)

    @property
    def steps(self) -> int:
        """Control steps of this episode that skills were executed for."""
        under_way = self._executor.step if self._executor is not None and self._has_begun else 0
        return self._steps_before + under_way

    @property
    def steps_to_come(self) -> int:
        """The same when the skill under way will have ended."""
        return self._steps_before + self._skill_horizon if self._has_begun else self.steps

    @property
    def has_begun(self) -> bool:
        """Whether the executor has begun the last skill sent."""
        return self._has_begun

    @property
    def is_somebody_elses(self) -> bool:
        """Whether the executor carries out a skill that was not sent here."""
        executor = self._executor
        if executor is None or executor.state is not LoopState.EXECUTING:
            return False
        return executor.skill_id not in self._own_ids

    @property
    def own_ids(self) -> tuple[int, ...]:
        """Skills that were sent here and that the executor may carry out now or later, in their order.

        It takes skills in the order they were sent, so one that it tells of ends the wait for those before. An
        episode's end does not: a skill sent shortly before may be told of when the next episode has long begun.
        """
        return tuple(self._own_ids)

    def begin_episode(self, begin_ns: int) -> None:
        """The first skill is due when the executor is idle in a state of this time [ns] or later."""
        self._begin_ns = begin_ns
        self._steps_before, self._is_late = 0, False
        self._ending_id: int | None = None
        self._steps_before_ending = 0
        self._await_skill(None, -1)

    def executor_told(self, executor: ExecutorMoment, now_s: float) -> None:
        """A skill status was received."""
        self._executor = executor
        if executor.skill_id in self._own_ids:
            while self._own_ids[0] != executor.skill_id:
                self._own_ids.popleft()
        is_idle = executor.state is LoopState.IDLE
        if self.skill_id is None or self._time_waits:
            self._has_begun = self.skill_id is not None and executor.skill_id == self.skill_id
            self._due_s = now_s + SAME_MOMENT_S if is_idle and self._time_waits else None
            return
        if executor.skill_id != self.skill_id:
            self._idle_ticks += is_idle
            if executor.skill_id == self._ending_id:
                self._steps_before = self._steps_before_ending + executor.step
            return
        if not self._has_begun:
            self._has_begun = True
            self.late_skills += self._is_late or (self._idle_ticks > 0 and self._steps_before > 0)
        # Every step tells when the one after the last will be; what came with the least delay is the earliest.
        steps_to_next = self._skill_horizon - executor.step + 1
        due_s = now_s if is_idle else now_s + steps_to_next * self._period_s - self._lead_s
        self._due_s = due_s if self._due_s is None else min(self._due_s, due_s)

    def is_due(self, observed_ns: int, task_ns: int | None, now_s: float) -> bool:
        """Whether it is time to choose a skill.

        Args:
            observed_ns: stamp of the newest observation [ns].
            task_ns: stamp of the newest word of the task [ns]; None without a task.
            now_s: time on the steady clock [s].
        """
        executor = self._executor
        if executor is None:
            return False
        is_idle = executor.state is LoopState.IDLE
        if self._time_waits:
            is_one_moment = executor.stamp_ns == observed_ns and task_ns in (None, observed_ns)
            return is_idle and is_one_moment and self._begin_ns <= observed_ns != self._chosen_ns
        if self.skill_id is None or self._idle_ticks >= TICKS_TO_BEGIN:
            # The first one, or one that the executor dropped, as it does with one that comes just before a reset.
            return is_idle and min(executor.stamp_ns, observed_ns) >= self._begin_ns
        return self._due_s is not None and now_s >= self._due_s

    def sent(self, skill_id: int, chosen_ns: int) -> None:
        """A skill was sent, chosen on an observation of this stamp [ns]."""
        if self._has_begun:
            assert self._executor is not None
            # Sent early, while that skill still has steps to make: they are counted when they are told of.
            self._ending_id, self._steps_before_ending = self.skill_id, self._steps_before
            self._steps_before += self._executor.step
            self._is_late = self._executor.state is LoopState.IDLE
        self._own_ids.append(skill_id)
        self._await_skill(skill_id, chosen_ns)

    def _await_skill(self, skill_id: int | None, chosen_ns: int) -> None:
        self.skill_id, self._chosen_ns = skill_id, chosen_ns
        self._has_begun, self._idle_ticks = False, 0
        self._due_s: float | None = None


class GoalHandover:
    """The same where skills are goals of the executor's action: the next is due when the result before is known.

    Whoever sends them tells that by `outcome_told`. Not thread-safe.
    """

    numbers_skills = False
    is_somebody_elses = False
    """A skill of somebody else ends the goal, whose result says so."""
    due_s: float | None = None

    def __init__(self) -> None:
        """Idle until `begin_episode`."""
        self.begin_episode(0)

    @property
    def steps_to_come(self) -> int:
        """Control steps of this episode."""
        return self.steps

    def begin_episode(self, begin_ns: int) -> None:
        """The first skill is due on an observation of this time [ns] or later."""
        self._begin_ns = begin_ns
        self.skill_id: int | None = None
        self.steps = 0
        self.has_begun = False
        self.is_under_way = False
        """Whether a skill was sent and what came of it is not known."""
        self.holds_episode = True

    def executor_told(self, executor: ExecutorMoment, now_s: float) -> None:
        """A skill status was received."""
        self.has_begun |= self.is_under_way and executor.state is LoopState.EXECUTING

    def is_due(self, observed_ns: int, task_ns: int | None, now_s: float) -> bool:
        """Whether it is time to choose a skill, on an observation that is not older than the task's last word."""
        return not self.is_under_way and observed_ns >= max(self._begin_ns, -1 if task_ns is None else task_ns)

    def sent(self, skill_id: int, chosen_ns: int) -> None:
        """A skill was sent."""
        self.skill_id, self.has_begun = skill_id, False
        self.is_under_way = self.holds_episode = True

    def outcome_told(self, steps: int, ends_episode: bool) -> None:
        """What came of the skill is known, after so many control steps."""
        self.steps += steps
        self.is_under_way, self.holds_episode = False, not ends_episode
