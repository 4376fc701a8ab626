import signal
from pathlib import Path

import pytest

pytest.importorskip("spirl_msgs")
pytest.importorskip("mujoco")

from rclpy.utilities import get_rmw_implementation_identifier
from sensor_msgs.msg import JointState

from spirl_ros.nodes.udp_transport import use_udp

needs_fast_dds = pytest.mark.skipif(
    get_rmw_implementation_identifier() != "rmw_fastrtps_cpp", reason="this is about Fast DDS"
)


@needs_fast_dds
def test_nodes_have_no_shared_memory_that_a_stopped_process_could_hold(client, start_node) -> None:
    """Regression: a simulator stopped while it sent to the executor held up all who sent there, one second each time.

    What is looked at is the cause, because its effect came in one of ten cases.
    """
    states = client.collect(JointState, "joint_states")
    node = start_node("mujoco_sim", discovery_s=0.0)
    client.wait_for(lambda: states, "the simulator, which talks to a client with all transports")
    mapped = Path(f"/proc/{node.process.pid}/maps").read_text()
    assert "/dev/shm/fastrtps" not in mapped and "/dev/shm/fastdds" not in mapped
    assert node.end(signal.SIGINT)[0] == 0


@needs_fast_dds
def test_range_decides_how_and_what_the_user_chose_stays() -> None:
    local = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "localhost"}
    use_udp(local)
    assert Path(local["FASTRTPS_DEFAULT_PROFILES_FILE"]).is_file()
    assert local["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SYSTEM_DEFAULT"
    subnet: dict[str, str] = {}
    use_udp(subnet)
    assert subnet == {"FASTDDS_BUILTIN_TRANSPORTS": "UDPv4"}
    for choice in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_BUILTIN_TRANSPORTS", "ROS_STATIC_PEERS"):
        chosen = {choice: "mine", "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        before = dict(chosen)
        use_udp(chosen)
        assert chosen == before
