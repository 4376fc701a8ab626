from types import SimpleNamespace

import pytest

pytest.importorskip("spirl_msgs")

from lifecycle_msgs.msg import State

from spirl_ros.nodes.executor.arm_readiness import controller_fault


def activity(controllers: dict[str, str], hardware: dict[str, str]) -> SimpleNamespace:
    """Shaped like controller_manager_msgs/ControllerManagerActivity, for which there is no wheel."""
    named = [
        [SimpleNamespace(name=name, state=State(label=label)) for name, label in states.items()]
        for states in (controllers, hardware)
    ]
    return SimpleNamespace(controllers=named[0], hardware_components=named[1])


@pytest.mark.parametrize(
    ("controllers", "hardware", "told"),
    [
        ({"arm": "active", "broadcaster": "inactive"}, {"ur5e": "active"}, ""),
        ({"arm": "inactive"}, {"ur5e": "active"}, "the controller arm is inactive, expected active"),
        ({"other": "active"}, {"ur5e": "active"}, "the controller arm is not loaded; there are other"),
        ({}, {}, "there are none"),
        ({"arm": "active"}, {"ur5e": "unconfigured"}, "the hardware component ur5e is unconfigured"),
    ],
)
def test_activity_tells_what_keeps_the_controller_from_moving_the_arm(controllers, hardware, told) -> None:
    fault = controller_fault(activity(controllers, hardware), "arm")
    assert told in fault and bool(fault) == bool(told)
