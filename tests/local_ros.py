"""Nodes within the test process: found by others as soon as our own, and by nobody on another machine."""

import os

import pytest

from spirl_ros.nodes.graph.udp_transport import use_udp


def stay_on_this_machine(monkeypatch: pytest.MonkeyPatch, domain_id: str) -> None:
    """Choose domain and transport. Fast DDS reads its profile once per process, so every test with a node calls
    this."""
    environment = {**os.environ, "ROS_DOMAIN_ID": domain_id, "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    use_udp(environment)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
