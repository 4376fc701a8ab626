"""How well control keeps its rate, as gauges: from what the skill executor says of itself in its diagnostics."""

import math
from dataclasses import dataclass

from spirl_ros.monitoring.page_silence import ASKED_RATE, health_of
from spirl_ros.monitoring.views import GraphView

LATE_MS = 5.0
"""A control step that begins or answers later than this [ms], in 99 of 100, is called late."""
OLD_STATE_S = 0.02
"""A joint state older than this [s] when a command is made from it is called old."""
_FULL_MS = 4.0 * LATE_MS
_KEPT_SHARE = 0.95


@dataclass(frozen=True)
class Gauge:
    """One measured value beside what is wanted of it."""

    name: str
    text: str
    """The value with its unit."""
    share: float
    """How full its bar is, 0 to 1."""
    level: str
    """`ok` or `warn`."""


def gauges(view: GraphView, executor: str, is_safety_silent: bool = False) -> tuple[Gauge, ...]:
    """Control rate, lateness, latency and age of the joint states, as far as they are known and not of long ago.

    Args:
        view: what is known of the graph.
        executor: full name of the skill executor, without the first slash: another robot's has the same last name.
        is_safety_silent: is what the safety filter said last of long ago.
    """
    node = health_of(view, executor)
    values = {} if node is None or node.level == "stale" else node.values
    shown = []
    rate_hz, wanted_hz = _number(values, "commands [Hz]"), _number(values, ASKED_RATE)
    if math.isfinite(rate_hz):
        # In lockstep there is no rate to keep: it goes as fast as it can.
        share = rate_hz / wanted_hz if math.isfinite(wanted_hz) else 1.0
        shown.append(Gauge("control rate", f"{rate_hz:.1f} Hz", share, "ok" if share >= _KEPT_SHARE else "warn"))
    for name, key in (("step begins late", "lateness p99 [ms]"), ("step to command", "tick to command p99 [ms]")):
        value_ms = _number(values, key)
        if math.isfinite(value_ms):
            level = "ok" if value_ms <= LATE_MS else "warn"
            shown.append(Gauge(name, f"{value_ms:.1f} ms", value_ms / _FULL_MS, level))
    if view.safety is not None and not is_safety_silent and math.isfinite(view.safety.joint_state_age_s):
        age_s = view.safety.joint_state_age_s
        level = "ok" if age_s <= OLD_STATE_S else "warn"
        shown.append(Gauge("joint state age", f"{age_s * 1e3:.0f} ms", age_s / (4.0 * OLD_STATE_S), level))
    return tuple(shown)


def _number(values: dict[str, str], key: str) -> float:
    try:
        return float(values.get(key, "nan"))
    except ValueError:
        return math.nan
