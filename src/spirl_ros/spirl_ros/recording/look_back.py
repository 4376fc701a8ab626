"""Keeps the last moments before an episode: the state that it starts from was sent before it began."""

from collections import deque
from collections.abc import Sequence

from spirl_ros.recording.bag_writer import RawMessage


class LookBack:
    """Messages of a time that ends now, by when they were received: senders' clocks may be set."""

    def __init__(self, length_ns: int) -> None:
        """Begin empty.

        Args:
            length_ns: how long before a moment messages belong to it [ns].
        """
        self._length_ns = length_ns
        self._messages: deque[RawMessage] = deque()

    def remember(self, messages: Sequence[RawMessage]) -> None:
        """Take in what was fetched, and forget what became too old."""
        self._messages.extend(messages)
        if messages:
            self._forget_before(messages[-1].log_time_ns - self._length_ns)

    def before(self, moment_ns: int) -> list[RawMessage]:
        """What belongs to an episode that begins at a moment; what is older is forgotten."""
        self._forget_before(moment_ns - self._length_ns)
        return list(self._messages)

    def move(self, moved_ns: int) -> None:
        """The clock that messages are received by was moved."""
        self._messages = deque(one._replace(log_time_ns=one.log_time_ns + moved_ns) for one in self._messages)

    def _forget_before(self, moment_ns: int) -> None:
        while self._messages and self._messages[0].log_time_ns < moment_ns:
            self._messages.popleft()
