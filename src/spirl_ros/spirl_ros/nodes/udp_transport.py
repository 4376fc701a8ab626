"""Keeps our nodes off Fast DDS' shared memory, where one process can hold up another.

To send a message there, a process takes a lock in the receiver's segment. One that is stopped (SIGSTOP, a debugger) or
killed right then keeps it, and everybody else who sends to that receiver waits one second each time, inside rclpy's
publish, with Python's interpreter lock held. A simulator stopped at random did that in one of ten cases. UDP has no such
lock: the kernel drops what a stopped process does not read.
"""

from collections.abc import MutableMapping

from rclpy.utilities import get_rmw_implementation_identifier

from spirl_ros.shipped import shipped

_PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
_TRANSPORTS, _RANGE = "FASTDDS_BUILTIN_TRANSPORTS", "ROS_AUTOMATIC_DISCOVERY_RANGE"
_THE_USERS_CHOICE = (*_PROFILES, _TRANSPORTS, "ROS_STATIC_PEERS", "ROS_DISCOVERY_SERVER")


def use_udp(environment: MutableMapping[str, str]) -> None:
    """Set what Fast DDS reads when rclpy starts, unless the user has chosen a transport, or another middleware.

    Where nodes may talk on this machine only, rmw_fastrtps sets up shared memory itself, so that range is described by a
    profile of ours instead.
    """
    if get_rmw_implementation_identifier() != "rmw_fastrtps_cpp" or any(map(environment.get, _THE_USERS_CHOICE)):
        return
    if environment.get(_RANGE, "").upper() == "LOCALHOST":
        profile = str(shipped("config/dds/udp_localhost.xml"))
        environment.update({name: profile for name in _PROFILES})
        environment[_RANGE] = "SYSTEM_DEFAULT"
    else:
        environment[_TRANSPORTS] = "UDPv4"
