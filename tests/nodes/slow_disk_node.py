"""A node of ours on a slow disk: `python -m tests.nodes.slow_disk_node MODULE CLASS --ros-args …`.

A bundle in a folder `slow…` is loaded again and again for 15 s, as one of many megabytes would; one in `stuck…` never comes.
A trainer has no learner's process, but a word of one: that its skills are the bundle of the environment variable BUNDLE.
"""

import os
import sys
import threading
import time
from importlib import import_module
from pathlib import Path

from spirl_ros.deployment.bundle import Bundle, load_bundle
from spirl_ros.nodes.managed_node import run
from spirl_ros.rl.learner_link import LearnerStatus

SLOW_S = 15.0


def load_slowly(folder: Path | str, provider: str = "auto") -> Bundle:
    """`load_bundle` on such a disk."""
    name = Path(folder).name
    if name.startswith("stuck"):
        threading.Event().wait()
    end_s = time.monotonic() + (SLOW_S if name.startswith("slow") else 0.0)
    while time.monotonic() < end_s:
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
    module = import_module(f"spirl_ros.nodes.{sys.argv[1]}")
    for owner in (module, import_module("spirl_ros.nodes.bundle_loading")):
        if hasattr(owner, "load_bundle"):
            vars(owner)["load_bundle"] = load_slowly
    if hasattr(module, "LearnerLink"):
        vars(module)["LearnerLink"] = ToldLearner
    sys.exit(run(getattr(module, sys.argv[2])))


if __name__ == "__main__":
    main()
