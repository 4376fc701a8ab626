"""How often something happens, and how evenly: what a node's diagnostics tell of what it sends or receives."""

import math

FORGOTTEN_AFTER_S = 5.0
"""After so long without an event [s] the next one begins anew, so that a pause does not count as slowness."""


class EventRate:
    """Counts one kind of event between two reports. Whoever marks and whoever reports must not do so at once."""

    def __init__(self, name: str) -> None:
        """Begin; `name` says what is counted, in the plural."""
        self._name = name
        self._begin_s = self._last_s = math.nan
        self._intervals = 0
        self._longest_s = 0.0
        self._rate_hz = 0.0

    def mark(self, now_s: float) -> None:
        """It happened, at this moment of the steady clock [s]."""
        if math.isnan(self._last_s):
            self._begin_s = now_s
        else:
            self._intervals += 1
            self._longest_s = max(self._longest_s, now_s - self._last_s)
        self._last_s = now_s

    def diagnose(self, now_s: float) -> dict[str, object]:
        """Rate and longest interval since the last report, the one that still lasts included."""
        if self._intervals:
            self._rate_hz = self._intervals / (self._last_s - self._begin_s)
        silent_s = 0.0 if math.isnan(self._last_s) else now_s - self._last_s
        longest_s = max(self._longest_s, silent_s)
        self._begin_s, self._intervals, self._longest_s = self._last_s, 0, 0.0
        if silent_s > FORGOTTEN_AFTER_S:
            self._begin_s = self._last_s = math.nan
        if math.isnan(self._last_s):
            self._rate_hz, longest_s = 0.0, math.nan
        values: dict[str, object] = {f"{self._name} [Hz]": self._rate_hz}
        if math.isfinite(longest_s):
            values[f"longest gap of {self._name} [ms]"] = longest_s * 1e3
        return values
