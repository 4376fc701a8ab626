import sys
import time

from spirl_ros.benchmarks.node_processes import node_command, node_environment, processor_time_s, running


def test_parameters_are_written_as_ros_reads_them() -> None:
    command = node_command("recorder", {"wait": True, "rate_hz": 10.0, "folder": "a b"})
    assert command[1:] == [
        *("-m", "spirl_ros.nodes.recorder", "--ros-args"),
        *("-p", "wait:=true", "-p", "rate_hz:=10.0", "-p", "folder:=a b"),
    ]


def test_nodes_meet_nobody_else() -> None:
    environment = node_environment()
    assert environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    assert 20 <= int(environment["ROS_DOMAIN_ID"]) < 100


def test_process_ends_with_its_block_and_its_time_counts() -> None:
    with running([sys.executable, "-c", "while True: pass"]) as process:
        end_s = time.monotonic() + 60.0
        while processor_time_s(process.pid) < 0.05 and time.monotonic() < end_s:
            time.sleep(0.01)
        assert processor_time_s(process.pid) >= 0.05
        assert process.poll() is None
    assert process.poll() is not None
