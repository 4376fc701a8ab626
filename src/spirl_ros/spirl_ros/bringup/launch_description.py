"""Turns a bringup into actions of ROS 2 launch. Imported by the launch files alone."""

import os
import sys
import time
from pathlib import Path

from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription
from spirl_ros.bringup.graphs import Bringup, NodeDescription
from spirl_ros.bringup.restarts import RESPAWN_DELAY_S, Restarts
from spirl_ros.bringup.supervisor import LAUNCHER_PID_VARIABLE, SIGKILL_AFTER_S, SIGTERM_AFTER_S
from spirl_ros.teleoperation.terminal import terminal_environment


def launch_description(bringup: Bringup) -> LaunchDescription:
    """Declare the bringup's arguments and start its nodes."""
    declarations = [
        DeclareLaunchArgument(
            argument.name,
            default_value=argument.default,
            description=argument.description,
            choices=list(argument.choices) or None,
        )
        for argument in bringup.arguments
    ]
    return LaunchDescription([*declarations, OpaqueFunction(function=_start_nodes, args=[bringup])])


def _start_nodes(context: LaunchContext, bringup: Bringup) -> list[Action]:
    given = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in bringup.arguments}
    values = bringup.check({**_arguments_of_command_line(context, bringup), **given})
    environment = {LAUNCHER_PID_VARIABLE: str(os.getpid()), **terminal_environment()}
    actions: list[Action] = [SetEnvironmentVariable(name, value) for name, value in environment.items()]
    restarts = Restarts()
    for description in bringup.nodes(values):
        actions += _start_node(description, bringup, values, restarts)
    return actions


def _start_node(
    description: NodeDescription, bringup: Bringup, values: dict[str, str], restarts: Restarts
) -> list[Action]:
    """Start a node, and decide when it ends."""
    name = description.name

    def on_exit(event: ProcessExited, context: LaunchContext) -> list[Action]:
        if context.is_shutdown:
            return []
        reason = restarts.why_graph_ends(name, description.respawn, event.returncode, time.monotonic())
        if reason:
            return _end_graph(reason, has_failed=event.returncode != 0)
        again = OpaqueFunction(
            function=lambda _: _start_node(bringup.node_again(values, name), bringup, values, restarts)
        )
        told = LogInfo(msg=f"{event.process_name} ended with {event.returncode} and restarts")
        return [told, TimerAction(period=RESPAWN_DELAY_S, actions=[again])]

    node = _node(description, values)
    return [node, RegisterEventHandler(OnProcessExit(target_action=node, on_exit=on_exit))]


def _arguments_of_command_line(context: LaunchContext, bringup: Bringup) -> dict[str, str]:
    """What stands behind `ros2 launch spirl_ros <this file>`: launch itself ignores names that nobody declared.

    Empty when another launch file includes this one, which may have arguments of its own.
    """
    if not any(Path(argument).name == f"{bringup.name}.launch.py" for argument in sys.argv):
        return {}
    pairs = [argument.split(":=", 1) for argument in context.argv if ":=" in argument]
    return {name: value for name, value in pairs}


def _node(description: NodeDescription, values: dict[str, str]) -> Node:
    params_file = values["params_file"]
    return Node(
        package="spirl_ros",
        executable=description.executable,
        name=description.name,
        namespace=values["namespace"],
        parameters=[dict(description.parameters), *([params_file] if params_file else [])],
        remappings=list(description.remappings),
        output="screen",
        emulate_tty=False,
        ros_arguments=["--log-level", values["log_level"]],
        sigterm_timeout=str(SIGTERM_AFTER_S),
        sigkill_timeout=str(SIGKILL_AFTER_S - SIGTERM_AFTER_S),
    )


def _end_graph(reason: str, has_failed: bool) -> list[Action]:
    """End the graph with a node; launch's own exit code ignores how a process ended."""
    if not has_failed:
        return [EmitEvent(event=Shutdown(reason=reason))]

    def fail(_: LaunchContext) -> None:
        raise RuntimeError(f"{reason}; see its messages above.")

    return [EmitEvent(event=Shutdown(reason=reason)), OpaqueFunction(function=fail)]
