import pytest

from spirl_ros.bringup.ros_domain import check_domain
from spirl_ros.errors import ConfigError


@pytest.mark.parametrize("given", ["abc", "-1", "233", "1.5", "9" * 10_000, "³"])
def test_domain_that_is_none_is_refused(given: str) -> None:
    """rclpy ended with a traceback."""
    with pytest.raises(ConfigError, match="expected a whole number from 0 to 232"):
        check_domain({"ROS_DOMAIN_ID": given})


def test_domains_and_none_are_taken() -> None:
    for environment in ({}, {"ROS_DOMAIN_ID": ""}, {"ROS_DOMAIN_ID": "0"}, {"ROS_DOMAIN_ID": "232"}):
        check_domain(environment)
