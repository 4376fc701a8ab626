"""The ROS domain that the environment names."""

from collections.abc import Mapping

from spirl_ros.errors import ConfigError
from spirl_ros.files.outside_text import shortened

HIGHEST = 232
"""Of the ports that DDS makes of it, the last is below 65536."""


def check_domain(environment: Mapping[str, str]) -> None:
    """Refuse a ROS_DOMAIN_ID that is none; rclpy ends with a traceback.

    Raises:
        ConfigError: what it is.
    """
    given = environment.get("ROS_DOMAIN_ID", "").strip()
    if given and not (given.isascii() and given.isdecimal() and len(given) < 5 and int(given) <= HIGHEST):
        raise ConfigError(
            f"ROS_DOMAIN_ID is {shortened(given)}, expected a whole number from 0 to {HIGHEST}. "
            "Set it to the same one in every terminal, or unset it."
        )
