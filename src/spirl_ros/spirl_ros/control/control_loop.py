"""The control loop: measurements in, safe joint commands out, one call of `step` per control period."""

from collections.abc import Collection, Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from spirl_ros.control.observation import LatestObservation
from spirl_ros.control.safe_arm import SafeArm
from spirl_ros.control.safety_filter import FilteredCommand, SafetyState
from spirl_ros.control.skill_model import RunnableSkills
from spirl_ros.control.skill_sequence import Outcome, SkillReport, SkillRequest, SkillSequence
from spirl_ros.control.tracking import MOVED_TOLERANCE, TRACKING_TOLERANCE, Tracking
from spirl_ros.errors import CommandError, ObservationError, SkillError

STOPPED_BY_PERSON = "stopped by a service call"
"""Reason of a stop that somebody asked for; a simulation resumes automatically after every other one."""


def set_points_fault(fault: str) -> str:
    """Why an arm that takes set-points must not be taken over where it is measured, or nothing.

    Args:
        fault: why it is not measured where it was sent, or nothing.
    """
    # A controller that holds another place goes to the first set-point at once, however far that is.
    return fault and (
        f"{fault}. The first set-point would make it leap. Mend the cause, or have its controller hold it where it is, "
        "then deactivate and activate this node."
    )


class LoopState(IntEnum):
    """What the loop is doing; the numbers are those of spirl_msgs/SkillStatus."""

    IDLE = 0
    EXECUTING = 1
    BRAKING = 2
    LATCHED = 3


class Tick(NamedTuple):
    """What came out of one step."""

    command: FilteredCommand | None
    """To be sent now; None when the arm is at rest and stays there."""
    state: LoopState
    reason: str
    """Why the arm is braking or latched, or why there is no first command yet; else empty."""
    reports: tuple[SkillReport, ...] = ()
    """Skills that have ended since the last step, in their order."""


class ControlLoop:
    """Observation, skill executor, action, safety filter, in this order; and when the arm has to stop.

    Every `step` is one control period, and a command it returns must be sent. Between skills the arm comes to rest and
    the loop falls silent. After a fault or `stop` it stays at rest until `reset`, and then until the next skill:
    nothing begins by itself. The loop has no clock and no thread. Not thread-safe.
    """

    def __init__(
        self,
        model: RunnableSkills,
        max_age_s: float,
        generator: np.random.Generator,
        *,
        time_waits: bool = False,
        has_braking_tail: bool = False,
        max_missed: int = 2,
        max_choice_age_s: float = 1.0,
        tracking_tolerance: float | None = TRACKING_TOLERANCE,
        continuous: Collection[str] = (),
    ) -> None:
        """Begin without measurements; the first fresh one begins motion control, at the measured positions.

        Args:
            model: the skills.
            max_age_s: older measurements are refused [s].
            generator: draws latents from the prior.
            time_waits: lockstep. The arm's time stands still until a command comes, so nothing is sent that no skill
                and no braking asks for: neither the measured positions at the beginning nor a rest after a skill.
            has_braking_tail: an arm that gets no command in time brakes by itself, as with trajectory_knots, instead of
                holding the last set-point.
            max_missed: a skill goes on after at most so many control periods in a row without a command.
            max_choice_age_s: a skill chosen on an observation that is so much older than the newest one is refused [s]:
                it was held up on its way, and whoever chose it may have given up long ago.
            tracking_tolerance: a joint measured further than this from where it was sent stops the arm, see Tracking
                [rad, m]. None is for simulated arms only: when their scene is put back they stand elsewhere at once.
            continuous: names of joints that turn without end, whatever turn their driver reports them in.

        Raises:
            BundleError: the observation does not begin with the joints.
        """
        model.check_layout()
        self._max_age_s, self._generator, self._time_waits = max_age_s, generator, time_waits
        self._has_braking_tail, self._max_missed = has_braking_tail, max_missed
        self._max_choice_age_s = max_choice_age_s
        self.observation = LatestObservation(model.limits.joint_names, model.scene_names, continuous)
        """What was measured; `update_joint_state` and `update_scene_state` bring it."""
        self.skills = SkillSequence(model)
        """The skill under way or the last one, to look at."""
        self.arm = SafeArm(
            model.limits,
            model.control_period_s,
            max_age_s,
            velocity_scale=model.velocity_scale,
            action_reference=model.action_reference,
            commands_per_action=model.commands_per_step,
        )
        """What it was sent, to look at."""
        self._brake_outcome = Outcome.STOPPED  # how the skill under way ends when the arm is at rest
        limits, period_s = model.limits, model.control_period_s
        self._tracking: Tracking | None = None
        if tracking_tolerance is not None and not time_waits:
            self._tracking = Tracking(limits, period_s, tracking_tolerance, has_braking_tail=has_braking_tail)
        self._now_s = self._taken_over_s = -np.inf
        self._begins_ns = -1
        """Stamp of the first state of this episode [ns], which may be still on its way; -1 when that is not known."""

    @property
    def state(self) -> LoopState:
        """What the loop is doing."""
        if self.arm.is_at_rest_for_good:
            return LoopState.LATCHED
        if self.arm.brake_reason:
            return LoopState.BRAKING
        return LoopState.IDLE if self.skills.current is None else LoopState.EXECUTING

    @property
    def is_busy(self) -> bool:
        """Whether a skill is under way or waiting, or the arm is on its way to rest."""
        is_moving = self.arm.is_moving and not self._time_waits
        has_skill = self.skills.current is not None or self.skills.waiting is not None
        return has_skill or is_moving or self.state is LoopState.BRAKING

    @property
    def is_taking_over(self) -> bool:
        """Whether the arm is on its way to where it was measured when it was taken over: a skill waits for that."""
        return self._now_s < self._taken_over_s

    @property
    def is_ahead(self) -> bool:
        """Whether no skill is under way and the next one was chosen on an observation that has not come here yet."""
        waiting = self.skills.waiting
        return (
            self.skills.current is None and waiting is not None and waiting.observed_ns > self.observation.measured_ns
        )

    def update_joint_state(
        self, names: Sequence[str], positions: Sequence[float], stamp_ns: int, received_s: float
    ) -> None:
        """Take in measured joint positions, see LatestObservation. A state of other joints alone changes nothing.

        Raises:
            ObservationError: it cannot be used, or it was measured before the last one while the arm is busy.
        """
        if not self.observation.is_of_joints(names):
            return
        may_go_back = not self.is_busy
        if self.observation.update_joint_state(names, positions, stamp_ns, received_s, may_go_back=may_go_back):
            self._begin_anew("the arm's time went back")
        if self._tracking is not None:
            self._check_tracking(self._tracking, received_s, stamp_ns)

    def update_scene_state(
        self, names: Sequence[str], positions: Sequence[float], stamp_ns: int, received_s: float
    ) -> None:
        """Take in measured scene positions; errors as for joint states. Nothing happens when skills need none."""
        may_go_back = not self.is_busy
        if self.observation.update_scene_state(names, positions, stamp_ns, received_s, may_go_back=may_go_back):
            self._begin_anew("the arm's time went back")

    def check(self, request: SkillRequest, now_s: float) -> None:
        """Can this skill be executed as things stand.

        Raises:
            SkillError: a latent of a wrong size or not finite, a stopped arm, no fresh observation, or a skill chosen
                long ago.
        """
        latent, model = request.latent, self.skills.model
        if latent is not None:
            if latent.shape != (model.latent_size,):
                raise SkillError(
                    f"latent has shape {latent.shape}, expected ({model.latent_size},) as in bundle '{model.name}', or "
                    "no values to draw one from the skill prior."
                )
            if not np.isfinite(latent).all():
                raise SkillError(f"latent is {latent}, expected finite numbers only.")
        if self.state >= LoopState.BRAKING:
            raise SkillError(
                f"the arm is {self.state.name.lower()}: {self.arm.brake_reason}. Wait for rest, and release a "
                "latch with reset."
            )
        if not self._is_fresh(now_s):
            raise SkillError(
                f"the observation is {self.observation.age_s(now_s):.3f} s old, expected at most "
                f"{self._max_age_s:.3f} s. Is the arm running, and do its states have every value of the bundle?"
            )
        choice_age_s = (self.observation.measured_ns - request.observed_ns) * 1e-9
        if request.observed_ns > 0 and choice_age_s > self._max_choice_age_s:
            raise SkillError(
                f"the skill was chosen on an observation {choice_age_s:.3f} s older than the newest, expected at most "
                f"{self._max_choice_age_s:.3f} s. It was held up on its way: choose again."
            )

    def execute(self, request: SkillRequest, now_s: float, *, replace: bool = False) -> None:
        """Begin a skill with the next step, or when the one under way has ended.

        Args:
            request: the skill. It takes the place of one that is waiting.
            now_s: time on the caller's steady clock [s].
            replace: end the one under way, without braking in between.

        Raises:
            SkillError: see `check`; nothing is changed.
        """
        self.check(request, now_s)
        self.skills.put(request, replace=replace)

    def cancel(self, reason: str) -> None:
        """End the skill under way: brake to rest, then be ready for the next. Nothing happens when there is none."""
        self.skills.drop_waiting(Outcome.CANCELED, reason)
        if self.skills.current is not None and not self.arm.brake_reason:
            self._brake_for(reason, Outcome.CANCELED, with_release=True)

    def stop(self, reason: str) -> None:
        """Brake to rest and stay there until `reset`, whatever is under way, also when the arm was not taken over yet.

        What is told is the first reason, until a person asks for a stop, too: then the latch is that person's.
        """
        self.skills.drop_waiting(Outcome.STOPPED, reason)
        if not self.arm.has_to_latch or reason == STOPPED_BY_PERSON:
            self._brake_for(reason, Outcome.STOPPED, with_release=False)

    def reset(self, now_s: float) -> None:
        """Release the latch, on somebody's explicit demand. The arm stays where it is measured.

        Raises:
            CommandError: there is no latch, the arm still moves, or there is no fresh observation inside the limits; or
                an arm that takes set-points is not where it was sent.
        """
        if self.state is not LoopState.LATCHED:
            raise CommandError(f"there is no latch to release: the arm is {self.state.name.lower()}.")
        if not self._is_fresh(now_s):
            raise CommandError(
                f"the latch stays: the observation is {self.observation.age_s(now_s):.3f} s old, expected at most "
                f"{self._max_age_s:.3f} s. Bring the arm's states back first."
            )
        positions = self.observation.joint_positions
        if self._tracking is not None and not self._has_braking_tail:
            if reason := set_points_fault(self._tracking.fault(positions, now_s)):
                raise CommandError(f"the latch stays: {reason}")
        self.arm.reset(positions)
        if self._tracking is not None and self._tracking.deviations(positions, now_s).max() > MOVED_TOLERANCE:
            self._tracking.doubt(now_s)
        self.arm.forget()  # The next step takes it over, with a first command of its own.

    def begin_episode(self, reason: str, begins_ns: int | None = None) -> None:
        """The scene was put back. Ends what is under way; a latch stays.

        A simulated arm, see `tracking_tolerance`, stands elsewhere now, at rest, and is taken over anew. Any other one
        is where it was sent, and is brought to rest if it moves.

        Args:
            reason: why that ends.
            begins_ns: stamp of the first observation afterwards [ns]. A simulated arm is not taken over before that
                has come: this news may have overtaken it. A skill chosen on that one or a later one has only overtaken
                this news, and goes on waiting. None when that is not known.
        """
        waiting = self.skills.waiting
        if waiting is None or begins_ns is None or waiting.observed_ns < begins_ns:
            self.skills.drop_waiting(Outcome.STOPPED, reason)
        if self._tracking is not None and self.arm.is_moving and not self.arm.has_to_latch:
            self._brake_for(reason, Outcome.STOPPED, with_release=True)
            return
        self.skills.end(Outcome.STOPPED, reason)
        if self._tracking is None:
            self._begins_ns = -1 if begins_ns is None else begins_ns
            if not self.arm.has_to_latch:
                self.arm.forget()

    def swap(self, model: RunnableSkills) -> bool:
        """Use other skills from the next skill on; returns whether that is at once.

        Raises:
            BundleError: they are for another arm, or have other limits or another period.
        """
        model.check_may_follow(self.skills.model)
        return self.skills.swap(model)

    def step(self, now_s: float, missed: float = 0.0) -> Tick:
        """One control period.

        Args:
            now_s: time on the steady clock that measurements are received by [s].
            missed: periods, and parts of one, that this call comes late. More than `max_missed` whole ones stop a skill
                for good.
        """
        self._now_s = now_s
        skills, arm = self.skills, self.arm
        if missed and self._has_braking_tail:
            arm.miss(missed)
        if int(missed) > self._max_missed and skills.current is not None:
            self.stop(f"{int(missed)} control periods were missed")
        if not arm.brake_reason and not arm.is_on_its_way:
            skills.end_if_done()  # Its last command has been carried out by now.
        if arm.last is None and not arm.brake_reason:
            reason = self._begin(now_s)
            if reason or not self._time_waits:
                return self._tick(None if reason else arm.last, reason)
        if arm.brake_reason:
            return self._brake()
        if self.is_taking_over:
            return self._tick(arm.last)  # On its way; the next skill waits.
        if skills.current is None and skills.waiting is not None:
            if not self._is_fresh(now_s):
                # It must not begin by itself when the states come back.
                skills.drop_waiting(Outcome.STOPPED, f"the observation is {self.observation.age_s(now_s):.3f} s old")
            elif self._was_moved(now_s):
                reason = self._begin(now_s)
                return self._tick(None if reason else arm.last, reason)
            else:
                skills.begin(self.observation.values, self._generator)
                arm.end_action()
        if skills.current is not None:
            return self._execute(now_s)
        if arm.is_moving and not self._time_waits:
            return self._tick(arm.stay())  # The next skill did not come in time.
        return self._tick(None)

    def rehearse(self) -> None:
        """Do the costly part of a step that executes a skill, without effect."""
        if self.skills.current is not None and not self.arm.is_on_its_way:
            self.skills.executor.rehearse(self.observation.values)

    def _begin(self, now_s: float) -> str:
        """Take over the arm at its measured positions; returns why not, or nothing."""
        if not self._is_fresh(now_s):
            return f"waiting for the arm's state: the observation is {self.observation.age_s(now_s):.3f} s old"
        if self.observation.measured_ns < self._begins_ns:
            return "waiting for the arm's state: the newest is of before the scene was reset"
        if self._tracking is not None and (reason := self._tracking.why_unsettled(now_s)):
            return f"waiting for the arm's state: {reason}"
        try:
            self.arm.begin(self.observation.joint_positions)
        except CommandError as error:
            return str(error)
        if self._tracking is not None:
            within_s = self._tracking.begin(self.arm.joint_positions, now_s)
            self._taken_over_s = now_s + within_s if self._has_braking_tail else -np.inf
        return ""

    def _begin_anew(self, reason: str) -> None:
        """The driver of an arm at rest was started again: it may stand elsewhere."""
        self.begin_episode(reason)
        if not self.arm.has_to_latch:
            self.arm.forget()

    def _check_tracking(self, tracking: Tracking, now_s: float, stamp_ns: int) -> None:
        """Stop an arm that is not where it can be."""
        positions = self.observation.newest_joint_positions
        leap = tracking.leap(positions, now_s, stamp_ns)
        if self.arm.last is None or self.arm.has_to_latch or stamp_ns < self.observation.measured_ns:
            return  # Not taken over, on its way to rest for good, or about to begin anew: its time went back.
        if reason := leap or tracking.fault(positions, now_s):
            self.stop(reason)

    def _was_moved(self, now_s: float) -> bool:
        """Whether an arm at rest is elsewhere than it was sent."""
        if self._tracking is None or self.arm.is_moving:
            return False
        deviations = self._tracking.deviations(self.observation.joint_positions, now_s)
        return bool(deviations.max() > MOVED_TOLERANCE)

    def _execute(self, now_s: float) -> Tick:
        filtered, fault = self._next_command(now_s)
        self.skills.interventions += bool(filtered.interventions)
        if filtered.state >= SafetyState.BRAKING:
            reason = fault or filtered.reason
            self._brake_for(reason, Outcome.STOPPED, with_release=False)
            self.skills.drop_waiting(Outcome.STOPPED, reason)
            self._end_at_rest(filtered)
        return self._tick(filtered, fault or (filtered.reason if filtered.state >= SafetyState.HOLDING else ""))

    def _next_command(self, now_s: float) -> tuple[FilteredCommand, str]:
        """Of the skill under way; and why it cannot go on, or nothing."""
        arm, observation, age_s = self.arm, self.observation, self.observation.age_s(now_s)
        if not self._is_fresh(now_s):
            return arm.aim(arm.joint_positions, age_s), ""  # refused, and the arm comes to rest
        if arm.is_on_its_way:
            return arm.go_on(age_s), ""
        try:
            action = self.skills.executor.step(observation.values)
        except (SkillError, ObservationError) as error:
            return arm.aim(None, age_s), str(error)
        return arm.act(action, observation.joint_positions, age_s), ""

    def _brake(self) -> Tick:
        reason = self.arm.brake_reason
        if self.arm.is_at_rest_for_good:
            self.arm.latch()
            self.skills.end(self._brake_outcome, reason)
            return self._tick(None, reason)
        filtered = self.arm.brake()
        self._end_at_rest(filtered)
        return self._tick(filtered, reason)

    def _end_at_rest(self, filtered: FilteredCommand) -> None:
        if filtered.state is SafetyState.LATCHED:
            self.skills.end(self._brake_outcome, self.arm.brake_reason)
            self.arm.release()

    def _brake_for(self, reason: str, outcome: Outcome, *, with_release: bool) -> None:
        self._brake_outcome = outcome
        self.arm.brake_for(reason, with_release=with_release)

    def _is_fresh(self, now_s: float) -> bool:
        # From the future is not fresh: a simulator began anew.
        return abs(self.observation.age_s(now_s)) <= self._max_age_s

    def _tick(self, command: FilteredCommand | None, reason: str = "") -> Tick:
        if command is not None and self._tracking is not None:
            self._tracking.sent(command.joint_positions, command.joint_velocities, self._now_s)
            if self.is_taking_over:
                period_s = self.skills.model.control_period_s
                command = command._replace(arrives_s=max(period_s, self._taken_over_s - self._now_s))
        return Tick(command, self.state, reason, self.skills.take_reports())
