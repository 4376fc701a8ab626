"""Notices that more than one publisher tells where an arm's joints are, and names the nodes."""

from rclpy.node import Node

from spirl_ros.control.publisher_counts import PublisherCounts


class StatePublishers:
    """Follows the publishers of the messages that have the arm's joints; a gripper may share the topic.

    Not thread-safe.
    """

    def __init__(self, node: Node, topic: str) -> None:
        """Heard nothing yet.

        Args:
            node: asks the graph for names.
            topic: full name.
        """
        self._node, self._topic = node, topic
        self._counts = PublisherCounts()

    @property
    def has_two(self) -> bool:
        """Whether two publishers send the arm's joints, see PublisherCounts."""
        return self._counts.has_two

    def heard(self, number: int | None, now_s: float) -> None:
        """Take in the publisher's own number of a message that came now [s]; None where the middleware has none."""
        self._counts.hear(number or 0, now_s)

    @property
    def conflict(self) -> str:
        """Which nodes send on the topic while two publishers tell the arm's joints; else nothing."""
        if not self.has_two:
            return ""
        infos = self._node.get_publishers_info_by_topic(self._topic)
        names = ", ".join(sorted({f"{info.node_namespace.rstrip('/')}/{info.node_name}" for info in infos}))
        return f"two publishers send this arm's joints on {self._topic}, of {names}. Stop the wrong one"
