"""Prints what a node says of itself on /diagnostics, a line of JSON per report: `… diagnostics_probe NODE`.

For benchmarks.
"""

import json
import os
import sys
import time

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

from spirl_ros.nodes.graph.udp_transport import use_udp

SILENCE_S = 60.0
"""The probe ends when its node says nothing for so long [s]."""


class DiagnosticsProbe(Node):
    """Listens to one node."""

    def __init__(self, name: str) -> None:
        """Begin to print what the node of this name says."""
        super().__init__("diagnostics_probe")
        self._name, self.heard_s = name, time.monotonic()
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50)

    def _on_diagnostics(self, array: DiagnosticArray) -> None:
        for status in array.status:
            if status.name.partition(":")[0] == self._name:
                self.heard_s = time.monotonic()
                print(json.dumps({value.key: value.value for value in status.values}), flush=True)


def main() -> None:
    """Print until the node is silent, or until this process is ended."""
    use_udp(os.environ)
    rclpy.init(args=[])
    probe = DiagnosticsProbe(sys.argv[1])
    while time.monotonic() < probe.heard_s + SILENCE_S:
        rclpy.spin_once(probe, timeout_sec=1.0)
    sys.exit(f"error: {sys.argv[1]} has said nothing on /diagnostics for {SILENCE_S:g} s")


if __name__ == "__main__":
    main()
