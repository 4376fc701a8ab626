"""Orders of the page that wait to be carried out: the emergency stop first, and never more than a person can mean."""

import threading
from collections import deque

from spirl_ros.monitoring.orders import STOP, Order

MOST_WAITING = 20
"""Other orders than stop; whoever presses more often has lost track, or is no person."""


class OrderQueue:
    """Filled by the page's threads, emptied by the node's."""

    def __init__(self) -> None:
        """Begin empty."""
        self._lock = threading.Lock()
        self._others: deque[Order] = deque()
        self._stop: Order | None = None

    def __len__(self) -> int:
        """How many wait."""
        return len(self._others) + (self._stop is not None)

    def put(self, order: Order) -> bool:
        """Add an order; returns whether there was room. A stop takes the place of all that was asked for before it."""
        with self._lock:
            if order.what == STOP:
                self._others.clear()
                self._stop = order
                return True
            if len(self._others) >= MOST_WAITING:
                return False
            self._others.append(order)
            return True

    def take(self) -> Order | None:
        """The next one; None when there is none."""
        with self._lock:
            stop, self._stop = self._stop, None
            if stop is not None:
                return stop
            return self._others.popleft() if self._others else None
