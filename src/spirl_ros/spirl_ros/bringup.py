"""The one description of each graph: launch files and `spirl up` both start what stands here.

A graph is arguments, and a function from their values to the nodes to start.
"""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from spirl_ros.errors import ConfigError
from spirl_ros.tasks.kitchen.subtasks import target_subtasks


@dataclass(frozen=True)
class LaunchArgument:
    """An argument of a launch file, given as name:=value."""

    name: str
    default: str
    description: str
    choices: tuple[str, ...] = ()
    """Allowed values; empty allows every text."""
    is_count: bool = False
    """Must be a whole number of 0 or more."""


@dataclass(frozen=True)
class NodeDescription:
    """One node to start."""

    executable: str
    """Name of the executable, and of its module in spirl_ros.nodes."""
    name: str
    parameters: Mapping[str, bool | int | float | str] = field(default_factory=dict)
    remappings: tuple[tuple[str, str], ...] = ()
    respawn: bool = False
    """Start it again when it ends. Otherwise the whole graph ends with it."""


@dataclass(frozen=True)
class Bringup:
    """A graph that can be started."""

    name: str
    description: str
    arguments: tuple[LaunchArgument, ...]
    nodes: Callable[[Mapping[str, str]], list[NodeDescription]]
    """The nodes to start for checked argument values."""

    def check(self, given: Mapping[str, str]) -> dict[str, str]:
        """Complete the given arguments with their defaults.

        Raises:
            ConfigError: an unknown argument or a value that is not allowed.
        """
        known = {argument.name: argument for argument in self.arguments}
        for name in given:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                guess = f" Did you mean {close[0]}?" if close else ""
                raise ConfigError(f"{self.name} has no argument {name}.{guess} It has: {', '.join(known)}.")
        values = {argument.name: given.get(argument.name, argument.default) for argument in self.arguments}
        for name, value in values.items():
            choices = known[name].choices
            if choices and value not in choices:
                raise ConfigError(f"argument {name} is '{value}', expected one of {', '.join(choices)}.")
            if known[name].is_count and not value.isdecimal():
                raise ConfigError(f"argument {name} is '{value}', expected a whole number of 0 or more.")
        if "task" in values:
            target_subtasks(values["task"])
        params_file = values.get("params_file", "")
        if params_file and not Path(params_file).is_file():
            raise ConfigError(f"argument params_file is '{params_file}', which is no file. Give a YAML parameter file.")
        return values


COMMON_ARGUMENTS = (
    LaunchArgument("namespace", "", "namespace of every node, topic and service"),
    LaunchArgument("use_sim_time", "true", "take time from the simulator's clock", ("true", "false")),
    LaunchArgument("params_file", "", "YAML file with ROS parameters; they win over the other arguments"),
    LaunchArgument("autostart", "true", "configure and activate every node", ("true", "false")),
    LaunchArgument("log_level", "info", "least severe message shown", ("debug", "info", "warn", "error", "fatal")),
)


def _kitchen_sim_nodes(values: Mapping[str, str]) -> list[NodeDescription]:
    # In a namespace the simulator's clock is its own: several graphs on one domain keep their times apart.
    remappings = (("/clock", "clock"),) if values["namespace"] else ()
    autostart = values["autostart"] == "true"
    return [
        NodeDescription(
            executable="mujoco_sim",
            name="mujoco_sim",
            parameters={
                "task": values["task"],
                "rate": values["rate"],
                "seed": int(values["seed"]),
                "autostart": autostart,
                "use_sim_time": False,
            },
            remappings=remappings,
        ),
        NodeDescription(
            executable="scripted_operator",
            name="scripted_operator",
            parameters={
                "episodes": int(values["episodes"]),
                "seed": int(values["seed"]),
                "autostart": autostart,
                "use_sim_time": values["use_sim_time"] == "true",
            },
            remappings=remappings,
        ),
    ]


KITCHEN_SIM = Bringup(
    name="kitchen_sim",
    description="The simulated kitchen, and a scripted operator that works in it.",
    arguments=(
        LaunchArgument("task", "kitchen", "task by name, or target subtasks in order, separated by commas"),
        LaunchArgument("rate", "realtime", "realtime, or lockstep: as fast as it goes", ("realtime", "lockstep")),
        LaunchArgument("episodes", "0", "end after this many episodes; 0 goes on for ever", is_count=True),
        LaunchArgument("seed", "0", "seed of the first episode", is_count=True),
        LaunchArgument("viewer", "none", "what shows the scene; more viewers come with later versions", ("none",)),
        *COMMON_ARGUMENTS,
    ),
    nodes=_kitchen_sim_nodes,
)

BRINGUPS = {bringup.name: bringup for bringup in (KITCHEN_SIM,)}
"""Every graph by name."""
