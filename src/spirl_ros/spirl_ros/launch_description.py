"""Turns a bringup into actions of ROS 2 launch. Imported by the launch files alone."""

import os
import sys

from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription
from spirl_ros.bringup import Bringup, NodeDescription
from spirl_ros.supervisor import LAUNCHER_PID_VARIABLE, SIGKILL_AFTER_S, SIGTERM_AFTER_S
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
    for description in bringup.nodes(values):
        node = _node(description, values)
        actions.append(node)
        if not description.respawn:
            actions.append(RegisterEventHandler(OnProcessExit(target_action=node, on_exit=_end_graph)))
    return actions


def _arguments_of_command_line(context: LaunchContext, bringup: Bringup) -> dict[str, str]:
    """What stands behind `ros2 launch spirl_ros <this file>`: launch itself ignores names that nobody declared.

    Empty when another launch file includes this one, which may have arguments of its own.
    """
    if not any(argument.endswith(f"{bringup.name}.launch.py") for argument in sys.argv):
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
        respawn=description.respawn,
        respawn_delay=1.0,
        output="screen",
        emulate_tty=False,
        ros_arguments=["--log-level", values["log_level"]],
        sigterm_timeout=str(SIGTERM_AFTER_S),
        sigkill_timeout=str(SIGKILL_AFTER_S - SIGTERM_AFTER_S),
    )


def _end_graph(event: ProcessExited, context: LaunchContext) -> list[Action]:
    """End the graph with a node that was to live on; launch's own exit code ignores how a process ended."""
    if event.returncode == 0 or context.is_shutdown:
        return [EmitEvent(event=Shutdown(reason=f"{event.process_name} ended"))]

    def fail(_: LaunchContext) -> None:
        raise RuntimeError(f"{event.process_name} ended with exit code {event.returncode}; see its messages above.")

    return [EmitEvent(event=Shutdown(reason=f"{event.process_name} failed")), OpaqueFunction(function=fail)]
