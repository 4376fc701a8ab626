"""Nodes of one graph on two hosts, and the wire between them breaks in the middle of a skill."""

import subprocess
import sys

import pytest

pytest.importorskip("rclpy", reason="node tests need rclpy and spirl_msgs: make setup")
pytest.importorskip("mujoco")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

from tests.nodes.broken_wire import CASES
from tests.nodes.conftest import REPOSITORY
from tests.nodes.two_hosts import TwoHosts, two_hosts  # noqa: F401 - a fixture


@pytest.mark.parametrize("case", CASES)
def test_broken_wire_leaves_the_arm_at_rest_and_nothing_moves_it_when_it_is_mended(
    two_hosts: TwoHosts,  # noqa: F811
    domain_environment: dict[str, str],
    tmp_path,
    case: str,
) -> None:
    # In a process of its own: Fast DDS remembers the network interfaces that it saw first in a process.
    with two_hosts.a.inside():
        probe = subprocess.Popen(
            [sys.executable, "-m", "tests.nodes.broken_wire", case, two_hosts.name, str(tmp_path)],
            cwd=REPOSITORY,
            # Nodes look beyond their host unless the range is LOCALHOST.
            env={**domain_environment, "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    output, _ = probe.communicate(timeout=200.0)
    assert probe.returncode == 0, output
