"""Counts completed subtasks: in the order of the task, as the paper does, and in any order."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from spirl_ros.errors import ConfigError

COUNTS = ("ordered", "any")


@dataclass
class SubtaskProgress:
    """What was completed since the reset, and the sparse reward for it.

    A subtask counts once: what is undone later stays counted (D4RL).
    """

    targets: tuple[str, ...]
    """Target subtasks, in order."""
    count: str = "ordered"
    """Which count is rewarded: `ordered` (Pertsch et al.) or `any` (gymnasium-robotics)."""
    completed_at_step: dict[str, int] = field(default_factory=dict)
    """Every subtask that was ever done, targets or not, and the control step that first showed it."""
    completed_in_order: int = 0
    """Target subtasks completed in the order of the task."""

    def __post_init__(self) -> None:
        """Check the rewarded count."""
        if self.count not in COUNTS:
            raise ConfigError(f"count is '{self.count}', expected one of {', '.join(COUNTS)}.")

    @property
    def completed_any_order(self) -> int:
        """Target subtasks completed in any order."""
        return sum(target in self.completed_at_step for target in self.targets)

    @property
    def is_complete(self) -> bool:
        """Whether all target subtasks are completed, as the rewarded count sees it."""
        return self._rewarded() == len(self.targets)

    def update(self, done: Iterable[str], step: int) -> float:
        """Take in the subtasks that are done after a control step.

        In order, a subtask counts when all before it count and it is done *now*, so one that was done
        early counts as soon as its turn comes, if it still is.

        Returns:
            Reward: 1 for each target subtask that this step newly counted.
        """
        before = self._rewarded()
        done = set(done)
        for name in sorted(done):
            self.completed_at_step.setdefault(name, step)
        while self.completed_in_order < len(self.targets) and self.targets[self.completed_in_order] in done:
            self.completed_in_order += 1
        return float(self._rewarded() - before)

    def copy(self) -> "SubtaskProgress":
        """An independent copy, for saved states."""
        return SubtaskProgress(self.targets, self.count, dict(self.completed_at_step), self.completed_in_order)

    def _rewarded(self) -> int:
        return self.completed_in_order if self.count == "ordered" else self.completed_any_order
