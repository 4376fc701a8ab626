"""How our nodes speak over Fast DDS: by UDP alone, and announcing themselves often.

In shared memory one process can hold up another. To send a message there, a process takes a lock in the receiver's
segment. One that is stopped (SIGSTOP, a debugger) or killed right then keeps it, and everybody else who sends to that
receiver waits one second each time, inside rclpy's publish, with Python's interpreter lock held. A simulator stopped at
random did that in one of ten cases. UDP has no such lock: the kernel drops what a stopped process does not read.

A process that has just started finds another one when that announces itself: every 3 s by default, in our profiles
every 0.5 s.
"""

from collections.abc import MutableMapping

from rclpy.utilities import get_rmw_implementation_identifier

from spirl_ros.shipped import shipped

_PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
_RANGE = "ROS_AUTOMATIC_DISCOVERY_RANGE"
_THE_USERS_CHOICE = (*_PROFILES, "FASTDDS_BUILTIN_TRANSPORTS", "ROS_STATIC_PEERS", "ROS_DISCOVERY_SERVER")


def use_udp(environment: MutableMapping[str, str]) -> None:
    """Choose the profile that Fast DDS reads when rclpy starts, unless the user has chosen one, or another middleware.

    Where nodes may talk on this machine only, rmw_fastrtps sets up shared memory itself, so the profile describes that
    range, too.
    """
    if get_rmw_implementation_identifier() != "rmw_fastrtps_cpp" or any(map(environment.get, _THE_USERS_CHOICE)):
        return
    is_local = environment.get(_RANGE, "").upper() == "LOCALHOST"
    profile = str(shipped(f"config/dds/udp_{'localhost' if is_local else 'subnet'}.xml"))
    environment.update({name: profile for name in _PROFILES})
    if is_local:
        environment[_RANGE] = "SYSTEM_DEFAULT"
