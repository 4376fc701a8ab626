"""Times of receipt that rise as steadily as time does, whatever is done to this computer's clock."""


class ReceiveClock:
    """Puts what the middleware stamped by the computer's clock on the steady one.

    Times are in [ns], since 1970 where not steady.

    Messages that are fetched came after the fetch before: so a clock that is set between two fetches cannot put one
    further off than that.
    """

    def __init__(self, wall_ns: int, steady_ns: int) -> None:
        """Begin at the time that the computer's clock tells."""
        self._offset_ns = self._told_offset_ns = wall_ns - steady_ns
        self._before_ns = self._now_ns = steady_ns

    @property
    def now_ns(self) -> int:
        """When the last fetch began."""
        return self._now_ns + self._offset_ns

    @property
    def moved_ns(self) -> int:
        """By how much the computer's clock was set since this one began, or was set."""
        return self._told_offset_ns - self._offset_ns

    def begin_fetch(self, wall_ns: int, steady_ns: int) -> None:
        """Messages that are asked for next came since the last fetch."""
        self._told_offset_ns = wall_ns - steady_ns
        self._before_ns, self._now_ns = self._now_ns, steady_ns

    def time_ns(self, received_ns: int, steady_ns: int) -> int:
        """When a message was received that is taken at `steady_ns`, where the computer's clock says `received_ns`.

        It may have come after the fetch began.
        """
        told_ns = received_ns - self._told_offset_ns
        return min(max(told_ns, self._before_ns), steady_ns) + self._offset_ns

    def follow_computer(self) -> int:
        """Tell from now on what the computer's clock tells; returns by how much this one moved [ns]."""
        moved_ns = self.moved_ns
        self._offset_ns = self._told_offset_ns
        return moved_ns
