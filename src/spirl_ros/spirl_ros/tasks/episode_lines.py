"""What is said to people about episodes: each subtask as it is completed, a line per episode, and the average."""

from collections.abc import Sequence


class EpisodeLines:
    """Counts the episodes of one run, which may go on for ever, and puts them into words."""

    def __init__(self) -> None:
        """Begin with the first episode."""
        self._counts: dict[tuple[str, ...], tuple[int, int]] = {}
        """By target subtasks: episodes, and subtasks completed in order in all of them."""
        self._told = 0

    @property
    def finished(self) -> int:
        """Episodes that have ended."""
        return sum(episodes for episodes, _ in self._counts.values())

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

    def end(self, in_order: int, in_any_order: int, subtasks: Sequence[str], steps: int) -> str:
        """The line of an episode that has ended: completed target subtasks, the targets (none: no task), and steps."""
        episodes, done = self._counts.get(tuple(subtasks), (0, 0))
        self._counts[tuple(subtasks)] = episodes + 1, done + in_order
        self._told = 0
        if not subtasks:
            return f"episode {self.finished}: {steps} steps"
        return (
            f"episode {self.finished}: {in_order} of {len(subtasks)} subtasks in order, {in_any_order} in any, "
            f"{steps} steps"
        )

    def summary(self) -> str:
        """The average over all episodes; of each task alone where the task was changed between them."""
        parts = []
        for subtasks, (episodes, done) in self._counts.items():
            task = f" of {','.join(subtasks)}" if subtasks and len(self._counts) > 1 else ""
            mean = f": {done / episodes:.2f} of {len(subtasks)} subtasks in order on average" if subtasks else ""
            parts.append(f"{episodes} episodes{task}{mean}")
        return "; ".join(parts) or "0 episodes"
