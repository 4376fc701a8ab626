"""`spirl up`: start a graph without ROS 2 launch."""

import argparse
import textwrap
from typing import NoReturn

from spirl_ros.bringup.graphs import BRINGUPS, Bringup
from spirl_ros.commands.ros_installed import require_ros
from spirl_ros.errors import ConfigError


def add_parser(subparsers) -> None:
    """Add the command."""
    listing = "\n".join(map(_listing, BRINGUPS.values()))
    parser = subparsers.add_parser(
        "up",
        help="start a graph of nodes, as its launch file does",
        description="Start a graph of nodes, as its launch file does. Ctrl-C ends all of it.",
        epilog=f"graphs and their arguments with defaults:\n\n{listing}\n\nexample: spirl up kitchen_sim episodes:=3",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )
    parser.add_argument("-h", "--help", action=_Help, nargs=0, help="show this help message, or a graph's, and exit")
    graph = parser.add_argument("graph", help=f"one of {', '.join(BRINGUPS)}")
    graph.completer = lambda **_: list(BRINGUPS)  # type: ignore[attr-defined]
    arguments = parser.add_argument("arguments", nargs="*", metavar="name:=value", help="arguments of the graph")
    arguments.completer = _complete_argument  # type: ignore[attr-defined]
    parser.set_defaults(run=run)


def _listing(bringup: Bringup) -> str:
    """A graph and its arguments, as text."""
    lines = [f"{bringup.name}: {bringup.description}"]
    for argument in bringup.arguments:
        choices = f" ({', '.join(argument.choices)})" if argument.choices else ""
        lines += [f"  {argument.name}:={argument.default}", textwrap.indent(argument.description + choices, "      ")]
    return "\n".join(lines)


class _Help(argparse.Action):
    """Behind the name of a graph only its arguments: all of them are six pages."""

    def __call__(self, parser, namespace, values, option_string=None) -> NoReturn:
        bringup = BRINGUPS.get(getattr(namespace, "graph", None) or "")
        if bringup is None:
            parser.print_help()
        else:
            first = bringup.arguments[0]
            print(f"{_listing(bringup)}\n\nexample: spirl up {bringup.name} {first.name}:={first.default or '…'}")
        parser.exit()


def _complete_argument(parsed_args: argparse.Namespace, **_: object) -> list[str]:
    """What the tab key offers behind the name of a graph."""
    bringup = BRINGUPS.get(parsed_args.graph)
    if bringup is None:
        return []
    return [f"{argument.name}:={value}" for argument in bringup.arguments for value in argument.choices or ("",)]


def run(parsed: argparse.Namespace) -> int:
    """Start the graph and stay until it has ended."""
    from spirl_ros.bringup.supervisor import Supervisor

    if parsed.graph not in BRINGUPS:
        raise ConfigError(f"there is no graph {parsed.graph}, expected one of {', '.join(BRINGUPS)}.")
    for argument in parsed.arguments:
        if ":=" not in argument:
            raise ConfigError(f"argument {argument} is not of the form name:=value.")
    require_ros()
    bringup = BRINGUPS[parsed.graph]
    given = dict(argument.split(":=", 1) for argument in parsed.arguments)
    return Supervisor(bringup, bringup.check(given)).run()
