"""Training curves as HTML and SVG: pure functions of the points.

Drawn here and not by viser's uPlot component, which loses a growing curve from view: it keeps the bounds of x relative to
the points before, and takes them from a chart that has none yet.
"""

import math
from html import escape

import numpy as np

from spirl_ros.monitoring.training_history import Chart, TrainingHistory

_WIDTH, _HEIGHT = 300.0, 48.0
"""Of a picture in its own units; it is stretched to the panel's width."""
_MOST_POINTS = 200
"""Drawn of a curve: the panel has hardly more pixels."""
_COLOURS = ("#1864ab", "#b35c00")
_QUIET = "color:#6b7280;font-size:.85em"
_ROW = "display:flex;justify-content:space-between"


def charts_html(charts: tuple[Chart, ...], history: TrainingHistory) -> str:
    """All charts, one below the other, over the same control steps; nothing of one that has no points yet."""
    first, last = history.steps
    drawn = "".join(_chart_html(chart, history.curves(chart), first, last) for chart in charts)
    axis = (
        f'<div style="{_ROW};{_QUIET};padding-left:3.6em"><span>{first:,.0f}</span><span>{last:,.0f} steps</span></div>'
    )
    return f'<div style="padding:0 .75em .5em;font-size:.85em;line-height:1.35">{drawn}{axis}</div>'


def _chart_html(chart: Chart, curves: tuple[np.ndarray, ...], first: float, last: float) -> str:
    """One chart: its title, the newest values, and the curves between their extremes."""
    if not len(curves[0]):
        return ""
    chosen = np.unique(np.linspace(0, len(curves[0]) - 1, _MOST_POINTS).round().astype(int))
    steps, values = curves[0][chosen], [curve[chosen] for curve in curves[1:]]
    low, high = min(curve.min() for curve in values), max(curve.max() for curve in values)
    scale = np.log10 if chart.is_logarithmic and low > 0.0 else np.asarray
    names = [name.partition("_")[0] if len(values) > 1 else "" for name in chart.fields]
    newest = " · ".join(
        f'<span style="color:{colour}">{escape(name)} <b>{_number(curve[-1])}</b></span>'
        for name, curve, colour in zip(names, values, _COLOURS, strict=False)
    )
    lines = "".join(
        f'<polyline points="{_points(_share(steps, first, last), _share(scale(curve), float(scale(low)), float(scale(high))))}" fill="none" stroke="{colour}" stroke-width="1.5" '
        'vector-effect="non-scaling-stroke"/>'
        for curve, colour in zip(values, _COLOURS, strict=False)
    )
    return (
        f'<div style="{_ROW};margin-top:.6em"><b>{escape(chart.title)}</b><span>{newest}</span></div>'
        f'<div style="display:flex;height:{_HEIGHT:.0f}px"><div style="width:3.6em;display:flex;flex-direction:column;'
        f'justify-content:space-between;{_QUIET}"><span>{_number(high)}</span><span>{_number(low)}</span></div>'
        f'<svg class="chart" role="img" aria-label="{escape(chart.title)}" viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" '
        f'preserveAspectRatio="none" style="flex:1;min-width:0;height:100%;background:#f3f4f6">{lines}</svg></div>'
    )


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
