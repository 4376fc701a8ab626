"""How well control keeps its rate, as gauges: from what the skill executor says of itself in its diagnostics."""

import math
from dataclasses import dataclass

from spirl_ros.monitoring.views import GraphView, HealthView

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


def gauges(view: GraphView, executor: str) -> tuple[Gauge, ...]:
    """Control rate, lateness, latency and age of the joint states, as far as they are known.

    Args:
        view: what is known of the graph.
        executor: name of the skill executor, without its namespace.
    """
    node = next((node for node in view.health if _is_named(node, executor)), None)
    values = {} if node is None or node.level == "stale" else node.values
    shown = []
    rate_hz, wanted_hz = _number(values, "commands [Hz]"), _number(values, "control rate asked for [Hz]")
    if math.isfinite(rate_hz):
        # In lockstep there is no rate to keep: it goes as fast as it can.
        share = rate_hz / wanted_hz if math.isfinite(wanted_hz) else 1.0
        shown.append(Gauge("control rate", f"{rate_hz:.1f} Hz", share, "ok" if share >= _KEPT_SHARE else "warn"))
    for name, key in (("step begins late", "lateness p99 [ms]"), ("step to command", "tick to command p99 [ms]")):
        value_ms = _number(values, key)
        if math.isfinite(value_ms):
            level = "ok" if value_ms <= LATE_MS else "warn"
            shown.append(Gauge(name, f"{value_ms:.1f} ms", value_ms / _FULL_MS, level))
    if view.safety is not None and math.isfinite(view.safety.joint_state_age_s):
        age_s = view.safety.joint_state_age_s
        level = "ok" if age_s <= OLD_STATE_S else "warn"
        shown.append(Gauge("joint state age", f"{age_s * 1e3:.0f} ms", age_s / (4.0 * OLD_STATE_S), level))
    return tuple(shown)


def _is_named(node: HealthView, name: str) -> bool:
    return node.name.partition(":")[0].rpartition("/")[2] == name


def _number(values: dict[str, str], key: str) -> float:
    try:
        return float(values.get(key, "nan"))
    except ValueError:
        return math.nan
