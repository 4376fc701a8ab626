"""`spirl up`: start a graph without ROS 2 launch."""

import argparse
import textwrap

from spirl_ros.bringup import BRINGUPS
from spirl_ros.commands.ros_installed import require_ros
from spirl_ros.errors import ConfigError


def add_parser(subparsers) -> None:
    """Add the command."""
    listing = "\n".join(
        f"{bringup.name}: {bringup.description}\n"
        + "\n".join(
            f"  {argument.name}:={argument.default}\n"
            + textwrap.indent(
                argument.description + (f" ({', '.join(argument.choices)})" * bool(argument.choices)), "      "
            )
            for argument in bringup.arguments
        )
        for bringup in BRINGUPS.values()
    )
    parser = subparsers.add_parser(
        "up",
        help="start a graph of nodes, as its launch file does",
        description="Start a graph of nodes, as its launch file does. Ctrl-C ends all of it.",
        epilog=f"graphs and their arguments with defaults:\n\n{listing}\n\nexample: spirl up kitchen_sim episodes:=3",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    graph = parser.add_argument("graph", help=f"one of {', '.join(BRINGUPS)}")
    graph.completer = lambda **_: list(BRINGUPS)  # type: ignore[attr-defined]
    arguments = parser.add_argument("arguments", nargs="*", metavar="name:=value", help="arguments of the graph")
    arguments.completer = _complete_argument  # type: ignore[attr-defined]
    parser.set_defaults(run=run)


def _complete_argument(parsed_args: argparse.Namespace, **_: object) -> list[str]:
    """What the tab key offers behind the name of a graph."""
    bringup = BRINGUPS.get(parsed_args.graph)
    if bringup is None:
        return []
    return [f"{argument.name}:={value}" for argument in bringup.arguments for value in argument.choices or ("",)]


def run(parsed: argparse.Namespace) -> int:
    """Start the graph and stay until it has ended."""
    from spirl_ros.supervisor import Supervisor

    if parsed.graph not in BRINGUPS:
        raise ConfigError(f"there is no graph {parsed.graph}, expected one of {', '.join(BRINGUPS)}.")
    for argument in parsed.arguments:
        if ":=" not in argument:
            raise ConfigError(f"argument {argument} is not of the form name:=value.")
    require_ros()
    bringup = BRINGUPS[parsed.graph]
    given = dict(argument.split(":=", 1) for argument in parsed.arguments)
    return Supervisor(bringup, bringup.check(given)).run()
