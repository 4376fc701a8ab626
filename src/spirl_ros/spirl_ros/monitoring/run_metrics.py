"""The metrics that a training wrote, read from outside while it may go on. No torch."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spirl_ros.errors import ConfigError

METRICS_FILE = "metrics.jsonl"


@dataclass(frozen=True)
class RunMetrics:
    """Lines of one training's metrics."""

    name: str
    """Of its folder."""
    lines: tuple[dict[str, Any], ...]

    @property
    def is_of_a_task(self) -> bool:
        """Whether `spirl rl train` wrote them, and not `spirl skills train`."""
        return any(line["part"] in ("update", "episode", "evaluation") for line in self.lines)

    def curve(self, part: str, x: str, y: str) -> np.ndarray:
        """Points (N, 2) of a part's value over another, in the order they were written; what is not finite is left out.

        Raises:
            ConfigError: some are not numbers.
        """
        pairs = [(line[x], line[y]) for line in self.lines if line["part"] == part and x in line and y in line]
        try:
            points = np.array(pairs, dtype=float).reshape(-1, 2)
        except (TypeError, ValueError, OverflowError) as error:
            raise ConfigError(f"metrics of {self.name}: {x} and {y} of {part} are not numbers ({error}).") from error
        return points[np.isfinite(points).all(axis=1)]


def read_run(folder: Path) -> list[RunMetrics]:
    """The metrics of a training, or those of every seed below its folder.

    Raises:
        ConfigError: there are none.
    """
    files = [folder / METRICS_FILE] if (folder / METRICS_FILE).is_file() else sorted(folder.glob(f"*/{METRICS_FILE}"))
    runs = [RunMetrics(file.parent.name, _read_lines(file)) for file in files]
    runs = [run for run in runs if run.lines]
    if not runs:
        raise ConfigError(
            f"{folder} has no metrics: there is no {METRICS_FILE} in it, or nothing in that yet. Expected --out of "
            "`spirl skills train` or `spirl rl train`."
        )
    return runs


def _read_lines(file: Path) -> tuple[dict[str, Any], ...]:
    """Every whole line; one that is being written, or that a crash cut off, is left out."""
    lines = []
    for content in file.read_bytes().split(b"\n")[:-1]:
        text = content.decode("utf-8", errors="replace")
        try:
            line = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigError(
                f"{file} has a line that is not JSON: {text[:60]!r}. Is it a training's metrics?"
            ) from error
        if not isinstance(line, dict) or "part" not in line:
            raise ConfigError(f"{file} has a line without a part: {text[:60]!r}. Is it a training's metrics?")
        lines.append(line)
    return tuple(lines)
