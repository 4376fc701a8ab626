from dataclasses import replace

import numpy as np
import pytest

from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.errors import ConfigError

LIMITS = JointLimits(
    joint_names=("shoulder", "elbow"),
    position_lower=np.array([-1.0, 0.0]),
    position_upper=np.array([1.0, 2.0]),
    velocity=np.array([1.0, 2.0]),
    acceleration=np.array([10.0, 20.0]),
    jerk=np.array([100.0, 200.0]),
)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("joint_names", (), "at least one"),
        ("joint_names", ("elbow", "elbow"), "each once"),
        ("velocity", [1.0], "shoulder, elbow"),
        ("velocity", [1.0, 0.0], "velocity of elbow is 0.0, expected finite and above 0"),
        ("acceleration", [np.nan, 1.0], "acceleration of shoulder is nan"),
        ("jerk", [1.0, np.inf], "jerk of elbow is inf"),
        ("position_upper", [np.inf, 1.0], "position_upper of shoulder is inf"),
        ("position_lower", [-1.0, 2.0], "position_lower of elbow is 2.0, expected less than its position_upper, 2.0"),
    ],
)
def test_bad_limit_is_named_with_what_is_expected(field: str, value, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        replace(LIMITS, **{field: value})


def test_later_changes_of_the_given_array_do_not_reach_the_limits() -> None:
    velocity = np.array([1.0, 2.0])
    limits = replace(LIMITS, velocity=velocity)
    velocity[:] = 100.0
    assert limits.velocity.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="read-only"):
        limits.velocity[0] = 100.0
