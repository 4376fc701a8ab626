"""What is said to people about episodes: each subtask as it is completed, a line per episode, and the average."""

from collections.abc import Sequence


class EpisodeLines:
    """Counts the episodes of one run and puts them into words."""

    def __init__(self) -> None:
        """Begin with the first episode."""
        self._counts: list[int] = []
        self._told = 0

    @property
    def finished(self) -> int:
        """Episodes that have ended."""
        return len(self._counts)

    def begin(self) -> None:
        """An episode begins, perhaps in place of one that was lost."""
        self._told = 0

    def completed(self, completed: Sequence[tuple[str, int]]) -> list[str]:
        """A line for each subtask that was not told yet.

        Args:
            completed: every completed subtask of the episode under way and its control step, first one first.
        """
        new, self._told = completed[self._told :], len(completed)
        return [f"episode {self.finished + 1}: {subtask} done at step {step}" for subtask, step in new]

    def end(self, in_order: int, in_any_order: int, targets: int, steps: int) -> str:
        """The line of an episode that has ended: completed target subtasks, their number (0: no task), and steps."""
        self._counts.append(in_order)
        self._told = 0
        if not targets:
            return f"episode {self.finished}: {steps} steps"
        return (
            f"episode {self.finished}: {in_order} of {targets} subtasks in order, {in_any_order} in any, {steps} steps"
        )

    def summary(self, targets: int) -> str:
        """The average over all episodes."""
        if not targets:
            return f"{self.finished} episodes"
        mean = sum(self._counts) / self.finished if self.finished else 0.0
        return f"{self.finished} episodes: {mean:.2f} of {targets} subtasks in order on average"
