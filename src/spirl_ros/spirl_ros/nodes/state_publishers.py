"""Notices that more than one publisher tells where an arm's joints are."""

from collections import deque

from rclpy.node import Node

_DROPS = 3
_WINDOW_S = 1.0
"""A publisher that was started again counts from 1 once; two that send side by side drop back again and again."""


class StatePublishers:
    """Follows the publishers' own counts of the messages that have the arm's joints.

    Several publishers may share the topic, an arm's and a gripper's, say: only messages with the arm's joints are
    counted here. Not thread-safe, but for `fault`.
    """

    def __init__(self, node: Node, topic: str) -> None:
        """Heard nothing yet.

        Args:
            node: asks the graph for names.
            topic: full name.
        """
        self._node, self._topic = node, topic
        self._last = -1
        self._drops_s: deque[float] = deque(maxlen=_DROPS)

    def heard(self, number: int | None, now_s: float) -> bool:
        """Take in the count of a message, None where the middleware has none; returns whether there are several publishers."""
        if number is None:
            return False
        if number <= self._last:
            self._drops_s.append(now_s)
        self._last = number
        return len(self._drops_s) == _DROPS and now_s - self._drops_s[0] <= _WINDOW_S

    def fault(self) -> str:
        """What to say then, with the names of the nodes."""
        infos = self._node.get_publishers_info_by_topic(self._topic)
        names = sorted({f"{info.node_namespace.rstrip('/')}/{info.node_name}" for info in infos})
        return (
            f"more than one publisher tells the arm's joints on {self._topic}: {', '.join(names)}. End the one that does not "
            "belong to the arm"
        )
