"""Training curves as they grow, in bounded memory."""

from dataclasses import dataclass

import numpy as np

from spirl_ros.monitoring.views import TrainingView

CAPACITY = 1000
"""Points kept of a training."""


@dataclass(frozen=True)
class Chart:
    """One picture: fields of TrainingView over control steps."""

    title: str
    fields: tuple[str, ...]
    is_logarithmic: bool = False
    """Whether it is drawn on a logarithmic scale, as long as all values are above 0."""


CHARTS = (
    Chart("subtasks in order", ("completed_in_order",)),
    Chart("reward of an episode", ("episode_reward",)),
    Chart("divergence from the prior [nats]", ("prior_divergence", "target_divergence")),
    Chart("temperature", ("temperature",), is_logarithmic=True),
    Chart("critic loss", ("critic_loss",), is_logarithmic=True),
    Chart("policy loss", ("policy_loss",)),
)
FIELDS = ("env_steps", *(field for chart in CHARTS for field in chart.fields))


class TrainingHistory:
    """Keeps points of a training; when it is full, every second one is dropped. One thread."""

    def __init__(self) -> None:
        """Begin empty."""
        self._points: list[tuple[float, ...]] = []
        self._stride = 1
        self._seen = 0
        self._last: TrainingView | None = None

    def add(self, training: TrainingView) -> bool:
        """Take in a status; returns whether the curves changed. A training that starts again starts new curves."""
        last, self._last = self._last, training
        if last is not None and (training.env_steps, training.updates) == (last.env_steps, last.updates):
            return False
        if last is not None and training.env_steps < last.env_steps:
            self._points, self._stride, self._seen = [], 1, 0
        self._seen += 1
        if (self._seen - 1) % self._stride:
            return False
        self._points.append(tuple(float(getattr(training, field)) for field in FIELDS))
        if len(self._points) >= CAPACITY:
            self._points = self._points[::2]
            self._stride *= 2
        return True

    @property
    def steps(self) -> tuple[float, float]:
        """Control steps of the first and of the last point; of a training without points 0 and 0."""
        return (self._points[0][0], self._points[-1][0]) if self._points else (0.0, 0.0)

    def curves(self, chart: Chart) -> tuple[np.ndarray, ...]:
        """Control steps, then each field of the chart, all (N,); points where a field is not finite are left out."""
        columns = np.array(self._points, dtype=float).reshape(-1, len(FIELDS))
        chosen = columns[:, [0, *(FIELDS.index(field) for field in chart.fields)]]
        chosen = chosen[np.isfinite(chosen).all(axis=1)]
        return tuple(chosen.T.copy())
