"""ROS 2 nodes: they carry messages to and from the objects of the other folders. Only here rclpy is imported."""

import sys
from types import TracebackType

from spirl_ros.errors import explain


def _report(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Print what the user can mend as one line, also where it is noticed while a node's module is still imported."""
    explanation = explain(error)
    if explanation is None:
        sys.__excepthook__(kind, error, traceback)
    else:
        print(f"error: {explanation}", file=sys.stderr)


sys.excepthook = _report
