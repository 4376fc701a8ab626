"""Is the skill executor silent: what it said last must not look as if it still held."""

from spirl_ros.monitoring.views import GraphView, HealthView

SILENT_AFTER_S = 1.0
"""Joint states, and statuses where a rate is kept, that are older than this [s] are called silent."""
LOCKSTEP_SILENT_AFTER_S = 3.0
"""In lockstep diagnostics, which come once a second, are the only sign of life between skills [s]."""
ASKED_RATE = "control rate asked for [Hz]"
"""In the executor's diagnostics while it keeps a rate; absent in lockstep."""


def health_of(view: GraphView, name: str) -> HealthView | None:
    """A node's latest diagnostic, by its full name without the first slash; None before the first."""
    return next((node for node in view.health if node.name.partition(":")[0] == name), None)


def executor_silent_s(view: GraphView, executor: str) -> float:
    """How long the executor has been silent [s]; 0 while it is not, or before its first status.

    Args:
        view: what is known of the graph.
        executor: full name of the skill executor, without the first slash.
    """
    node = health_of(view, executor)
    keeps_no_rate = node is not None and bool(node.values) and ASKED_RATE not in node.values
    if node is not None and keeps_no_rate and node.age_s <= LOCKSTEP_SILENT_AFTER_S:
        return 0.0
    return view.skill_age_s if view.skill is not None and view.skill_age_s > SILENT_AFTER_S else 0.0
