"""The monitor, whose buttons a program presses: `python -m tests.nodes.flooded_page FILE --ros-args …`.

Two hundred times a stop comes after a hundred resets of the scene; FILE gets a line with the time of each stop [s].
"""

import sys
import threading
import time

from spirl_ros.monitoring.orders import RESET, STOP, Order
from spirl_ros.nodes.graph.managed_node import run
from spirl_ros.nodes.monitor import Monitor

STOPS, RESETS, PAUSE_S = 200, 100, 0.05


class FloodedMonitor(Monitor):
    """Is pressed by a thread of its own, as by one of the web server's."""

    def activate(self) -> None:
        """Begin to show, and to be pressed."""
        super().activate()
        threading.Thread(target=self._press, daemon=True).start()

    def _press(self) -> None:
        while not (self._graph._stop.service_is_ready() and self._graph._reset.service_is_ready()):
            time.sleep(PAUSE_S)
        with open(sys.argv[1], "a") as file:
            for _ in range(STOPS):
                for _ in range(RESETS):
                    self._on_order(Order(RESET))
                file.write(f"{time.monotonic()}\n")
                file.flush()
                self._on_order(Order(STOP))
                time.sleep(PAUSE_S)


if __name__ == "__main__":
    sys.exit(run(FloodedMonitor))
