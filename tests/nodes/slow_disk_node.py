"""A node of ours on a slow disk: `python -m tests.nodes.slow_disk_node MODULE CLASS --ros-args …`.

A bundle in a folder `slow…` is loaded again and again, as one of many megabytes would, until there is a file
`slow….quick`; one in `stuck…` never comes. Each load is a line in `slow….loads`.
A trainer has no learner's process, but a word of one: that its skills are the bundle of the environment variable
BUNDLE."""

import os
import sys
import threading
import time
from importlib import import_module
from pathlib import Path

from spirl_ros.deployment.bundle import Bundle, load_bundle
from spirl_ros.nodes.executor import bundle_loading
from spirl_ros.nodes.graph.managed_node import run
from spirl_ros.rl.learner_link import LearnerStatus


def load_slowly(folder: Path | str, provider: str = "auto") -> Bundle:
    """`load_bundle` on such a disk."""
    name = Path(folder).name
    if name.startswith("stuck"):
        threading.Event().wait()
    if name.startswith("slow"):
        with open(f"{folder}.loads", "a") as file:
            file.write("loaded\n")
        while not Path(f"{folder}.quick").exists():
            load_bundle(folder, provider)
    return load_bundle(folder, provider)


class ToldLearner:
    """What the trainer sees of a learner that is ready, and takes its time to end."""

    def __init__(self, arguments: list[str]) -> None:
        self.status = LearnerStatus(is_ready=True, bundle=os.environ.get("BUNDLE", ""))
        self.policy, self.process_id, self.sent, self.decisions = object(), 0, 0, 0

    def poll(self) -> None:
        pass

    def end(self) -> None:
        pass

    def close(self, patience_s: float) -> bool:
        time.sleep(patience_s)
        return False


def main() -> None:
    """Run the node."""
    node_class = getattr(import_module(f"spirl_ros.nodes.{sys.argv[1]}"), sys.argv[2])
    if node_class.__name__ == "TrainerNode":
        sys.exit(run(lambda: node_class(ToldLearner, load_slowly)))
    bundle_loading.load_bundle = load_slowly  # also of those that are loaded later
    sys.exit(run(node_class))


if __name__ == "__main__":
    main()
