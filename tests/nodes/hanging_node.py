"""A node of ours whose loop hangs when SIGUSR1 comes: `python -m tests.nodes.hanging_node MODULE CLASS --ros-args …`.

The process lives, DDS goes on in its own threads, and nothing in the node's thread, or that needs its lock, ever runs
again."""

import signal
import sys
import time
from importlib import import_module

from spirl_ros.nodes.graph.managed_node import ManagedNode, run


def main() -> None:
    """Run the node."""
    node_class = getattr(import_module(f"spirl_ros.nodes.{sys.argv[1]}"), sys.argv[2])
    nodes: list[ManagedNode] = []

    def make() -> ManagedNode:
        nodes.append(node_class())
        return nodes[0]

    def hang(*_) -> None:
        if (lock := getattr(nodes[0], "_lock", None)) is not None:
            lock.acquire()
        while True:
            time.sleep(1.0)

    signal.signal(signal.SIGUSR1, hang)
    sys.exit(run(make))


if __name__ == "__main__":
    main()
