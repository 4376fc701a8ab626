"""Training curves as HTML and SVG: pure functions of the points, which fill templates/charts.html.

Drawn here and not by viser's uPlot component, which loses a growing curve from view: it keeps the bounds of x relative
to the points before, and takes them from a chart that has none yet.
"""

import math

import numpy as np

from spirl_ros.monitoring.page_html import TEMPLATES
from spirl_ros.monitoring.training_history import Chart, TrainingHistory

_WIDTH, _HEIGHT = 300.0, 48.0
"""Of a picture in its own units; it is stretched to the panel's width."""
_MOST_POINTS = 200
"""Drawn of a curve: the panel has hardly more pixels."""
_COLOURS = ("#1864ab", "#b35c00")
_TEMPLATE = TEMPLATES.get_template("charts.html")


def charts_html(charts: tuple[Chart, ...], history: TrainingHistory) -> str:
    """All charts, one below the other, over the same control steps; nothing of one that has no points yet."""
    first, last = history.steps
    drawn = [_chart(chart, curves, first, last) for chart in charts if len((curves := history.curves(chart))[0])]
    return _TEMPLATE.render(
        charts=drawn, first=f"{first:,.0f}", last=f"{last:,.0f}", width=f"{_WIDTH:.0f}", height=f"{_HEIGHT:.0f}"
    )


def _chart(chart: Chart, curves: tuple[np.ndarray, ...], first: float, last: float) -> dict[str, object]:
    """One chart: its title, the newest values, and the curves between their extremes."""
    chosen = np.unique(np.linspace(0, len(curves[0]) - 1, _MOST_POINTS).round().astype(int))
    steps, values = curves[0][chosen], [curve[chosen] for curve in curves[1:]]
    low, high = min(curve.min() for curve in values), max(curve.max() for curve in values)
    scale = np.log10 if chart.is_logarithmic and low > 0.0 else np.asarray
    along, bounds = _share(steps, first, last), (float(scale(low)), float(scale(high)))
    names = [name.partition("_")[0] if len(values) > 1 else "" for name in chart.fields]
    drawn = [
        {
            "name": name,
            "newest": _number(curve[-1]),
            "colour": colour,
            "points": _points(along, _share(scale(curve), *bounds)),
        }
        for name, curve, colour in zip(names, values, _COLOURS, strict=False)
    ]
    return {"title": chart.title, "low": _number(low), "high": _number(high), "curves": drawn}


def _points(along: np.ndarray, up: np.ndarray) -> str:
    """Where a curve goes, given how far along and up the picture its points are, 0 to 1."""
    x, y = along * _WIDTH, (1.0 - up) * (_HEIGHT - 4.0) + 2.0
    return " ".join(f"{across:.1f},{down:.1f}" for across, down in zip(x, y, strict=True))


def _share(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Where values lie between two bounds, 0 to 1; in the middle when the bounds are the same."""
    span = high - low
    return (values - low) / span if span > 0.0 and math.isfinite(span) else np.full(len(values), 0.5)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000.0 else f"{value:.3g}"
