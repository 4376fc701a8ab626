"""A process that only answers: `python -m tests.nodes.idle_node`. How long it takes is the machine's doing, not
ours."""

import os

import rclpy
from std_srvs.srv import Trigger

from spirl_ros.nodes.graph.udp_transport import use_udp


def main() -> None:
    """Answer `idle/answer` until it is killed."""
    use_udp(os.environ)
    rclpy.init()
    node = rclpy.create_node("idle")
    node.create_service(Trigger, "idle/answer", lambda request, response: response)
    rclpy.spin(node)


if __name__ == "__main__":
    main()
