"""Draws the curves of a training, or of several seeds of one."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spirl_ros.monitoring.run_metrics import RunMetrics

RECENT_EPISODES = 20
"""Training episodes that a point of the running mean is taken over."""


class _Panel(NamedTuple):
    title: str
    part: str
    x: str
    y: str
    is_logarithmic: bool = False


_TASK_PANELS = (
    _Panel("divergence from the prior [nats]", "update", "updates", "cost"),
    _Panel("temperature", "update", "updates", "temperature", True),
    _Panel("value", "update", "updates", "value"),
    _Panel("critic loss", "update", "updates", "critic_loss", True),
    _Panel("policy loss", "update", "updates", "policy_loss"),
)
_SKILL_PANELS = (
    _Panel("reconstruction", "training", "step", "reconstruction", True),
    _Panel("KL(q || N(0, I)) [nats]", "training", "step", "kl"),
    _Panel("prior loss [nats]", "training", "step", "prior"),
)
_AXIS_NAMES = {"updates": "gradient step", "step": "gradient step"}


def draw_run(runs: Sequence[RunMetrics]) -> Figure:
    """What a training has come to: a line per seed.

    A task's first panel counts completed subtasks over control steps.
    """
    is_task = runs[0].is_of_a_task
    panels = _TASK_PANELS if is_task else _SKILL_PANELS
    rows = 2 if is_task else 1
    figure = Figure(figsize=(9.6, 2.6 * rows), layout="constrained")
    all_axes = figure.subplots(rows, 3, squeeze=False).ravel()
    if is_task:
        _draw_subtasks(all_axes[0], runs)
    for axes, panel in zip(all_axes[is_task:], panels, strict=True):
        _draw_panel(axes, panel, runs)
    for axes in all_axes:
        axes.locator_params(axis="x", nbins=5)  # six-digit steps run into each other otherwise
    return figure


def _draw_subtasks(axes: Axes, runs: Sequence[RunMetrics]) -> None:
    for number, run in enumerate(runs):
        colour = f"C{number % 10}"
        evaluations, episodes = run.curve("evaluation", "step", "ordered"), run.curve("episode", "step", "ordered")
        recent = running_mean(episodes[:, 1], RECENT_EPISODES)
        axes.plot(episodes[:, 0], recent, color=colour, linewidth=0.8, alpha=0.6)
        axes.plot(*evaluations.T, color=colour, marker="o", markersize=3, label=run.name if len(runs) > 1 else None)
    axes.set(
        xlabel="control step", title="subtasks in order\ndots: mean action, line: last 20 episodes", ylim=(-0.1, None)
    )
    if len(runs) > 1:
        axes.legend(frameon=False)


def _draw_panel(axes: Axes, panel: _Panel, runs: Sequence[RunMetrics]) -> None:
    for number, run in enumerate(runs):
        colour = f"C{number % 10}"
        axes.plot(*run.curve(panel.part, panel.x, panel.y).T, color=colour, linewidth=0.8)
        if panel.part == "training":
            axes.plot(*run.curve("validation", panel.x, panel.y).T, color=colour, linewidth=1.8, linestyle="--")
    note = "\ndashed: held-out episodes" if panel.part == "training" else ""
    axes.set(xlabel=_AXIS_NAMES[panel.x], title=panel.title + note)
    if panel.is_logarithmic:
        axes.set_yscale("log")


def running_mean(values: np.ndarray, count: int) -> np.ndarray:
    """Mean of each value and those before it, at most `count` of them, (N,)."""
    sums = np.concatenate(([0.0], np.cumsum(values)))
    ends = np.arange(1, len(values) + 1)
    begins = np.maximum(0, ends - count)
    return (sums[ends] - sums[begins]) / (ends - begins)
