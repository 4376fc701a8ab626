import subprocess
import sys
import time
from contextlib import ExitStack

from benchmarks.node_processes import node_command, own_domain, processor_time_s, running


def test_parameters_are_written_as_ros_reads_them() -> None:
    command = node_command("recorder", {"wait": True, "rate_hz": 10.0, "folder": "a b"})
    assert command[1:] == [
        *("-m", "spirl_ros.nodes.recorder", "--ros-args"),
        *("-p", "wait:=true", "-p", "rate_hz:=10.0", "-p", "folder:=a b"),
    ]


def test_nodes_meet_nobody_else() -> None:
    """A domain was drawn at random, and a test of another process was now and then in the same."""
    with ExitStack() as stack:
        environments = [stack.enter_context(own_domain()) for _ in range(40)]
        there = "from benchmarks.node_processes import own_domain; print(own_domain().__enter__()['ROS_DOMAIN_ID'])"
        others = {subprocess.check_output([sys.executable, "-c", there], text=True).strip() for _ in range(10)}
    domains = {environment["ROS_DOMAIN_ID"] for environment in environments}
    assert len(domains) == 40 and not domains & others
    assert all(20 <= int(domain) < 100 for domain in domains | others)
    assert {environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] for environment in environments} == {"LOCALHOST"}


def test_process_ends_with_its_block_and_its_time_counts() -> None:
    with running([sys.executable, "-c", "while True: pass"]) as process:
        end_s = time.monotonic() + 60.0
        while processor_time_s(process.pid) < 0.05 and time.monotonic() < end_s:
            time.sleep(0.01)
        assert processor_time_s(process.pid) >= 0.05
        assert process.poll() is None
    assert process.poll() is not None
