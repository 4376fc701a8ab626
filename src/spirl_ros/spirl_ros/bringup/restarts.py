"""Which node of a graph is started again when it ends, and when the graph ends instead. Both launchers ask here.

`respawn` of ROS 2 launch would start a node again that has done its work, and with the parameters of its first start.
"""

from collections import defaultdict, deque
from enum import Enum, auto

EXIT_CRASH = 1
"""Exit code of a node with a defect: Python's own for an exception that nobody caught."""
EXIT_BAD_INPUT = 2
"""Exit code of a node that was given something it cannot use."""
EXIT_FAULT = 3
"""Exit code of a node that gave up: something it needs is gone."""

RESPAWN_DELAY_S = 1.0
"""Time before a node starts again [s]."""
MOST_CRASHES = 3
"""A node that crashes more often than this within CRASH_WINDOW_S ends the graph."""
CRASH_WINDOW_S = 60.0
"""See MOST_CRASHES [s]."""


class Respawn(Enum):
    """When a node that has ended is started again."""

    NEVER = auto()
    """The graph ends with it."""
    AFTER_CRASH = auto()
    """Unless it ended of its own accord; the graph ends then, and when it crashes again and again."""
    ALWAYS = auto()
    """However it ended: the graph works without it."""


class Restarts:
    """Counts the crashes of a graph's nodes. Times are on the steady clock [s]."""

    def __init__(self) -> None:
        """Nothing has crashed yet."""
        self._crashes_s: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=MOST_CRASHES + 1))

    def why_graph_ends(self, name: str, respawn: Respawn, exit_code: int, now_s: float) -> str:
        """Why the graph has to end with this node, or nothing when the node is to be started again.

        Args:
            name: of the node.
            respawn: when it is to be started again.
            exit_code: how it ended; minus the number of a signal that killed it.
            now_s: when.
        """
        if respawn is Respawn.ALWAYS:
            return ""
        how = (
            f"{name} was killed by signal {-exit_code}" if exit_code < 0 else f"{name} ended with exit code {exit_code}"
        )
        if respawn is Respawn.NEVER or exit_code in (0, EXIT_BAD_INPUT, EXIT_FAULT):
            return how
        crashes_s = self._crashes_s[name]
        crashes_s.append(now_s)
        if len(crashes_s) > MOST_CRASHES and now_s - crashes_s[0] <= CRASH_WINDOW_S:
            return f"{how}, {len(crashes_s)} times within {now_s - crashes_s[0]:.0f} s"
        return ""
