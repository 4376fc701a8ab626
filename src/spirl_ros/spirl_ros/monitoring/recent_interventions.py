"""What the safety filter did a moment ago: most interventions last one control step, too short to be seen."""

from dataclasses import replace

from spirl_ros.monitoring.views import SafetyView

SHOWN_S = 1.0
"""An intervention is shown for so long [s]."""
_LASTING = ("braking", "latched")
"""States that are shown until they end. A `limited` stays in the status of an executor that has nothing to do."""


class RecentInterventions:
    """Follows the count of interventions. One thread."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.forget()

    def forget(self) -> None:
        """The safety filter is gone."""
        self._newest: SafetyView | None = None
        self._intervention: SafetyView | None = None
        self._seen_s = -float("inf")

    def add(self, safety: SafetyView, now_s: float) -> None:
        """Take in a status. The first one tells how many there were before; nobody knows when."""
        before, self._newest = self._newest, safety
        if before is None or safety.interventions <= before.interventions:
            return
        # The status of the command itself can be missed; the count tells of it all the same.
        missed = replace(safety, state="limited", reason="", limited_joint_names=())
        self._intervention, self._seen_s = (missed if safety.state == "passed" else safety), now_s

    def shown(self, now_s: float) -> SafetyView | None:
        """What to show now, with the newest count; None when there is nothing."""
        newest, intervention = self._newest, self._intervention
        if newest is None or newest.state in _LASTING:
            return newest
        if intervention is None or intervention.state in _LASTING or now_s - self._seen_s > SHOWN_S:
            return None
        return replace(intervention, interventions=newest.interventions)
