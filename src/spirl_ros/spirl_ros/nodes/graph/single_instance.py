"""One simulator per graph, one executor per arm: a lock for this machine, and an ear on a topic for the others."""

import fcntl
import os
import re
import tempfile
import time
from pathlib import Path

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rosgraph_msgs.msg import Clock

from spirl_ros.errors import ConfigError

PROBE_S = 1.5
"""How long to listen to another publisher once one is seen [s]; one that is alive is heard at least twice a second."""

_NEXT_STEP = "Stop the other one, or give this one another namespace or ROS_DOMAIN_ID."


class GraphLock:
    """Held by the one process of a kind in a domain on this machine; the kernel frees it with the process."""

    def __init__(self, node: Node, what: str = "simulator", where: str = "") -> None:
        """Take the lock.

        Args:
            node: tells the domain and the namespace.
            what: kind of process.
            where: what there may be only one for; empty for the namespace.

        Raises:
            ConfigError: another process has it.
        """
        domain, place = node.context.get_domain_id(), where or f"namespace {node.get_namespace()}"
        name = re.sub(r"\W", "_", f"spirl_{what}_{os.getuid()}_{domain}_{place}")
        self._file = open(Path(tempfile.gettempdir()) / f"{name}.lock", "a+")  # noqa: SIM115 - open as long as held
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.seek(0)
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise ConfigError(
                f"a {what} already runs in ROS domain {domain}, {place} (process {holder}): two would fight over the "
                f"arm. {_NEXT_STEP}"
            ) from error
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Give the lock back."""
        self._file.close()


def refuse_second_clock(node: Node, topic: str, discovery_s: float) -> None:
    """Raise ConfigError when another node ticks this clock, see refuse_second_publisher."""
    refuse_second_publisher(node, Clock, topic, "simulator", discovery_s)


def refuse_second_publisher(node: Node, message_type: type, topic: str, what: str, discovery_s: float) -> None:
    """Raise ConfigError when another node is heard on a topic, on this machine or another.

    A publisher in the ROS graph is not enough: a killed process stays there for 20 s. So this listens.

    Args:
        node: the node that wants to be the only one.
        message_type: of the topic.
        topic: full name; whoever is alive says something on it at least twice a second.
        what: kind of node, for the message.
        discovery_s: how long to look for other publishers [s].
    """

    def others() -> list[str]:
        publishers = node.get_publishers_info_by_topic(topic)
        names = [_full_name(publisher.node_namespace, publisher.node_name) for publisher in publishers]
        if node.get_fully_qualified_name() in names:
            names.remove(node.get_fully_qualified_name())
        return names

    heard: list = []
    probe = Node(
        f"{node.get_name()}_probe", namespace=node.get_namespace(), context=node.context, use_global_arguments=False
    )
    probe.create_subscription(message_type, topic, heard.append, 1)
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(probe)
    begin_s = time.monotonic()
    while not heard and time.monotonic() < begin_s + (PROBE_S if others() else discovery_s):
        executor.spin_once(timeout_sec=0.05)
    names = ", ".join(others()) or "another node"
    executor.shutdown()
    probe.destroy_node()
    if heard:
        raise ConfigError(f"{names} already publishes {topic}: two {what}s would fight over the arm. {_NEXT_STEP}")


def _full_name(namespace: str, name: str) -> str:
    # A publisher is discovered before the node it belongs to; rmw then reports a placeholder.
    return "another node" if name == "_NODE_NAME_UNKNOWN_" else f"{namespace.rstrip('/')}/{name}"
