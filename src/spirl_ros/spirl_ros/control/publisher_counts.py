"""Tells the publishers of one topic apart by the numbers that each of them counts its messages with."""

from dataclasses import dataclass
from itertools import combinations

SILENT_S = 1.0
"""A publisher that was not heard for so long is no second one any more [s]."""
_MOST_LOST = 10_000
"""A number further ahead than so many lost messages is another publisher's."""
_SURE_AFTER = 3
"""Messages that make a publisher; one that came late or twice does not."""


@dataclass
class _Counter:
    number: int
    heard: int
    first_s: float
    last_s: float


class PublisherCounts:
    """Follows the numbers of the messages as they arrive. rclpy says no more of a message's sender. Not thread-safe."""

    def __init__(self) -> None:
        """Nobody was heard."""
        self._counters: list[_Counter] = []

    @property
    def has_two(self) -> bool:
        """Whether two publishers take turns; one that was started again in the place of another does not."""
        sure = [counter for counter in self._counters if counter.heard >= _SURE_AFTER]
        return any(one.last_s > other.first_s and other.last_s > one.first_s for one, other in combinations(sure, 2))

    def hear(self, number: int, now_s: float) -> None:
        """Take in the number of a message that arrived now [s]; 0 where the middleware does not count."""
        self._counters = [counter for counter in self._counters if counter.last_s >= now_s - SILENT_S]
        if number == 0:
            return
        ahead = [counter for counter in self._counters if 0 < number - counter.number <= _MOST_LOST]
        if not ahead:
            self._counters.append(_Counter(number, 1, now_s, now_s))
            return
        nearest = max(ahead, key=lambda counter: counter.number)
        nearest.number, nearest.last_s = number, now_s
        nearest.heard += 1
