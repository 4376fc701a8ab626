"""What a run's metrics say about how it learned. No torch."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spirl_ros.errors import TrainingError

RECENT = 20
"""Episodes that `recent` is the mean of."""
COLLAPSE_WINDOW = 50
"""Episodes of the windows that the end of a run is compared with its best by."""
_COLUMNS = ("step", "seconds", "ordered", "completed")


class LearningCurve(NamedTuple):
    """The training episodes of one run, in the order in which they ended."""

    steps: np.ndarray
    """(N,) control steps when each ended."""
    seconds: np.ndarray
    """(N,) seconds of learning when each ended, evaluations included [s]."""
    ordered: np.ndarray
    """(N,) target subtasks completed in order."""
    completed: np.ndarray
    """(N,) target subtasks completed in any order."""
    evaluations: np.ndarray
    """(M, 2): control steps, and target subtasks completed in order with the mean action."""

    def until(self, step: int) -> "LearningCurve":
        """The part up to a number of control steps."""
        kept = self.steps <= step
        return LearningCurve(
            self.steps[kept],
            self.seconds[kept],
            self.ordered[kept],
            self.completed[kept],
            self.evaluations[self.evaluations[:, 0] <= step],
        )

    def recent(self, window: int = RECENT) -> np.ndarray:
        """Mean (N - window + 1,) of each `window` successive episodes, subtasks in order; empty before there are."""
        return _moving_mean(self.ordered, window)

    def last(self, window: int = RECENT) -> tuple[float, float]:
        """Mean of the last episodes, in order and in any order; NaN without episodes."""
        if not len(self.ordered):
            return float("nan"), float("nan")
        return float(self.ordered[-window:].mean()), float(self.completed[-window:].mean())

    def reaches(self, subtasks: float) -> tuple[float, float]:
        """Control steps and seconds until the mean of 20 episodes is at least `subtasks`; infinite when it never is."""
        above = np.flatnonzero(self.recent() >= subtasks)
        if not len(above):
            return float("inf"), float("inf")
        episode = int(above[0]) + RECENT - 1
        return float(self.steps[episode]), float(self.seconds[episode])

    def drop(self) -> float:
        """How far the last 50 episodes are below the best 50 in succession; NaN before there are so many."""
        means = _moving_mean(self.ordered, COLLAPSE_WINDOW)
        return float(means.max() - means[-1]) if len(means) else float("nan")


def read_learning_curve(metrics: Path) -> LearningCurve:
    """Read a run's metrics.jsonl; a line that is still being written is left out.

    Raises:
        TrainingError: it is not there, or no such file.
    """
    try:
        lines = metrics.read_text(encoding="utf-8").split("\n")[:-1]
        rows = [json.loads(line) for line in lines]
        episodes = [row for row in rows if row["part"] == "episode"]
        evaluations = [(row["step"], row["ordered"]) for row in rows if row["part"] == "evaluation"]
        steps, seconds, ordered, completed = (
            np.array([row.get(name, np.nan) for row in episodes], dtype=float)
            for name in ("step", "seconds", "ordered", "completed")
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{metrics} cannot be used: {error!r}. Expected what spirl rl train writes.") from error
    return LearningCurve(steps, seconds, ordered, completed, np.array(evaluations, dtype=float).reshape(-1, 2))


def write_kept_curve(path: Path, curve: LearningCurve, origin: Mapping[str, str]) -> None:
    """Keep a curve where its run's folder will not be: a line of JSON about its origin, then CSV, evaluations last."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".writing")
    with temporary.open("w", encoding="utf-8", newline="") as file:
        file.write(f"# {json.dumps(dict(origin))}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for row in zip(curve.steps, curve.seconds, curve.ordered, curve.completed, strict=True):
            writer.writerow([f"{value:.0f}" for value in row])
        writer.writerows((f"{step:.0f}", "", f"{ordered:g}", "") for step, ordered in curve.evaluations)
    temporary.rename(path)


def read_kept_curve(path: Path) -> tuple[LearningCurve, dict[str, str]]:
    """What `write_kept_curve` wrote: the curve, and its origin.

    Raises:
        TrainingError: it is no such file.
    """
    try:
        first, header, *lines = path.read_text(encoding="utf-8").splitlines()
        if header != ",".join(_COLUMNS):
            raise ValueError(f"columns {header}")
        origin = json.loads(first.removeprefix("# "))
        rows = list(csv.reader(lines))
        episodes = np.array([row for row in rows if row[1]], dtype=float).reshape(-1, len(_COLUMNS)).T
        evaluations = np.array([(row[0], row[2]) for row in rows if not row[1]], dtype=float).reshape(-1, 2)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path} cannot be used: {error!r}. Expected what spirl rl reproduce keeps.") from error
    steps, seconds, ordered, completed = episodes
    return LearningCurve(steps, seconds, ordered, completed, evaluations), origin


def mean_and_spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation over seeds, for people; one value stands alone."""
    finite = np.asarray(values, dtype=float)
    if not np.isfinite(finite).all():
        return "not in every seed" if np.isfinite(finite).any() else "never"
    if len(finite) == 1:
        return f"{finite[0]:.2f}"
    return f"{finite.mean():.2f} ± {finite.std(ddof=1):.2f}"


def _moving_mean(values: np.ndarray, window: int) -> np.ndarray:
    if len(values) < window:
        return np.empty(0)
    sums = np.cumsum(np.concatenate(([0.0], values)))
    return (sums[window:] - sums[:-window]) / window
