"""What the nodes of a graph say at a control step, and how an episode ended; without ROS."""

from typing import NamedTuple

from spirl_ros.control.control_loop import STOPPED_BY_PERSON, LoopState


class TaskMoment(NamedTuple):
    """What the task says after a control step; for an arm without a task, whoever counts its steps makes it up."""

    stamp_ns: int
    episode: int
    seed: int
    subtasks: tuple[str, ...]
    """The K targets, in order."""
    completed_in_order: int
    """Targets, 0 to K."""
    completed_any_order: int
    """Targets, 0 to K."""
    completed: tuple[tuple[str, int], ...]
    """Every completed subtask and its control step, first one first."""
    step: int
    """Control steps since the reset."""
    total_reward: float = 0.0
    """Since the reset."""
    terminated: bool = False
    """Whether the task is complete."""
    truncated: bool = False
    """Whether time ran out."""

    @property
    def has_ended(self) -> bool:
        """Whether the task is complete or time ran out."""
        return self.terminated or self.truncated


class ExecutorMoment(NamedTuple):
    """What the skill executor says at a control step."""

    stamp_ns: int
    """Of the state that it acted on."""
    state: LoopState
    skill_id: int
    """Of the skill under way, or of the last one."""
    step: int
    """Control steps of that skill sent, 0 to H."""
    skill_horizon: int
    bundle: str
    bundle_digest: str
    """Empty when the executor does not tell."""
    reason: str
    """Why it brakes or is latched, or what it waits for."""

    @property
    def is_stopped_by_person(self) -> bool:
        """Whether it brakes or is latched because a person asked for it."""
        return self.state >= LoopState.BRAKING and self.reason == STOPPED_BY_PERSON

    @property
    def latch(self) -> str:
        """Why it takes no skill before its latch is released, and how that is done; empty when it is not latched."""
        if self.state is not LoopState.LATCHED:
            return ""
        return f"the skill executor is latched: {self.reason}. Release it with its service reset."


class EpisodeResult(NamedTuple):
    """How an episode went."""

    completed_in_order: int
    completed_any_order: int
    steps: int
