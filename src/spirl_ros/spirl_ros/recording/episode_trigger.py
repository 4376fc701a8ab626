"""Decides from the task's status when an episode's recording starts and ends."""

from typing import NamedTuple


class EpisodeMoment(NamedTuple):
    """What a task status says about where in an episode it stands."""

    episode: int
    step: int
    has_ended: bool
    """Whether the task was completed or time ran out."""


START, END, ABORT = "start", "end", "abort"


class EpisodeTrigger:
    """Starts at the first status of an episode and ends at its last; one that was joined late is left out."""

    def __init__(self) -> None:
        """Begin outside of any episode."""
        self._episode: int | None = None

    def follow(self, moment: EpisodeMoment) -> tuple[str, ...]:
        """What to do about a status, in this order: `end`, `abort` (reset before its end), `start`."""
        if self._episode is not None and moment.episode == self._episode:
            if moment.has_ended:
                self._episode = None
                return (END,)
            return ()
        actions = (ABORT,) if self._episode is not None else ()
        self._episode = None
        if moment.step == 0 and not moment.has_ended:
            self._episode = moment.episode
            actions += (START,)
        return actions

    def reset(self) -> None:
        """Forget the episode under way: it is recorded no more."""
        self._episode = None
