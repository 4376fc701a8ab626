"""What the arm's driver says about being ready to move: vendor signals and the controller manager's activity."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_msgs.msg import Bool, Float64

from spirl_ros.errors import ConfigError
from spirl_ros.nodes.graph.messages import LATCHED_QOS
from spirl_ros.nodes.graph.parameters import names_in
from spirl_ros.nodes.graph.polled_topic import PolledTopic

_ACTIVE = "active"
_POLL_S = 0.02
"""Between two looks at the speed slider [s]."""
_FULL_SPEED_PERCENT = 1.0
"""So far from 100 the slider still counts as at full speed: each trajectory then goes a quarter of an update too
far."""


class ArmReadiness:
    """Watches `ready_topic`, `fault_topic`, `activity_topic` and `speed_scaling_topic`; without them it is ready.

    Runs in the node's thread. A signal that was never heard counts as not ready, except that of a fault.
    """

    def __init__(
        self,
        node: Node,
        controller: str,
        on_lost: Callable[[str], None],
        *,
        ready_topic: str = "",
        fault_topic: str = "",
        activity_topic: str = "",
        speed_scaling_topic: str = "",
    ) -> None:
        """Subscribe.

        Args:
            node: owns the subscriptions.
            controller: must be active, where an activity is watched.
            on_lost: called with the reason whenever the arm stops being ready.
            ready_topic: names of topics, separated by commas; empty for none.
            fault_topic: the same.
            activity_topic: one name, or empty.
            speed_scaling_topic: the same; nothing else than full speed is ready.

        Raises:
            ConfigError: an activity topic is configured, but its message package is not installed.
        """
        self._node, self._on_lost, self._controller = node, on_lost, controller
        self._reasons: dict[str, str] = {}
        self._subscriptions = []
        for name in names_in(ready_topic):
            self._watch(Bool, name, lambda message, name=name: "" if message.data else f"{name} is false")
            self._reasons[name] = f"nothing was heard on {name} yet"
        for name in names_in(fault_topic):
            self._watch(Bool, name, lambda message, name=name: f"{name} is true" if message.data else "")
        if activity_topic:
            name = activity_topic
            self._watch(_activity_type(name), name, lambda message: controller_fault(message, self._controller))
            self._reasons[name] = f"nothing was heard on {name} yet"
        self._speed_scaling_topic = speed_scaling_topic
        if speed_scaling_topic:
            # UR's driver says it 500 times a second.
            self._speed_scaling = PolledTopic(node, Float64, speed_scaling_topic, QoSProfile(depth=1))
            self._reasons[speed_scaling_topic] = f"nothing was heard on {speed_scaling_topic} yet"
            self._timer = node.create_timer(
                _POLL_S, self._look_at_speed_scaling, clock=Clock(clock_type=ClockType.STEADY_TIME)
            )

    @property
    def is_slowed(self) -> bool:
        """Whether the arm's speed slider is below full speed, or not known."""
        return bool(self._reasons.get(self._speed_scaling_topic))

    @property
    def fault(self) -> str:
        """Why the arm is not ready to move; empty when it is."""
        return next((reason for reason in self._reasons.values() if reason), "")

    def close(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        if self._speed_scaling_topic:
            self._node.destroy_timer(self._timer)
            self._speed_scaling.close()

    def _take(self, topic: str, reason: str) -> None:
        was_ready = not self.fault
        self._reasons[topic] = reason
        if was_ready and self.fault:
            self._on_lost(self.fault)

    def _look_at_speed_scaling(self) -> None:
        message = self._speed_scaling.take()
        if message is not None:
            self._take(self._speed_scaling_topic, self._slowness(message))

    def _slowness(self, message: Float64) -> str:
        if abs(message.data - 100.0) <= _FULL_SPEED_PERCENT:  # NaN is not either
            return ""
        return (
            f"{self._speed_scaling_topic} is {message.data:.1f} %, expected 100: set the speed slider to full "
            "speed, and make the motion slower by speed:= (docs/real_arms.md)"
        )

    def _watch(self, kind: type, topic: str, fault_of: Callable[[Any], str]) -> None:
        def on_message(message: Any) -> None:
            self._take(topic, fault_of(message))

        # Drivers latch these signals or do not. The one subscription gets what was said before us, the other also
        # matches a publisher that latches nothing.
        for qos in (LATCHED_QOS, QoSProfile(depth=1)):
            self._subscriptions.append(self._node.create_subscription(kind, topic, on_message, qos))


def controller_fault(activity: Any, controller: str) -> str:
    """What a ControllerManagerActivity says against a controller, or against the hardware below it; else empty."""
    states = {named.name: named.state.label for named in activity.controllers}
    if controller not in states:
        return f"the controller {controller} is not loaded; there are {', '.join(sorted(states)) or 'none'}"
    if states[controller] != _ACTIVE:
        return (
            f"the controller {controller} is {states[controller]}, expected {_ACTIVE}: ros2 control switch_controllers"
        )
    for named in activity.hardware_components:
        if named.state.label != _ACTIVE:
            return f"the hardware component {named.name} is {named.state.label}, expected {_ACTIVE}"
    return ""


def _activity_type(topic: str) -> type:
    try:
        return import_module("controller_manager_msgs.msg").ControllerManagerActivity
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"activity_topic is {topic}, but ControllerManagerActivity cannot be imported ({error}). Install "
            "ros-jazzy-controller-manager-msgs, or leave activity_topic empty and watch ready_topic."
        ) from error
