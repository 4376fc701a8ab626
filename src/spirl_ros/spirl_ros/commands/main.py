"""Entry point of `spirl`: one module per command."""

import argparse
import os
import sys
from collections.abc import Sequence

import argcomplete

from spirl_ros.commands import bench, check, demos, export, monitor, rl, skills, tasks, up
from spirl_ros.commands.exit_codes import BAD_INPUT, BROKEN_PIPE, INTERRUPTED
from spirl_ros.errors import explain


def make_parser() -> argparse.ArgumentParser:
    """All commands."""
    parser = argparse.ArgumentParser(
        prog="spirl",
        description="Skill-prior reinforcement learning for robot arms, in simulation and on ROS 2.",
        epilog="example: spirl rl eval --bundle models/kitchen --episodes 3. The tab key completes after: "
        'eval "$(register-python-argcomplete spirl)"',
    )
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (tasks, demos, skills, rl, monitor, export, check, up, bench):
        command.add_parser(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code. What is the input's fault is printed as one line."""
    parser = make_parser()
    argcomplete.autocomplete(parser)
    try:
        parsed = parser.parse_args(arguments)
        code = parsed.run(parsed)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output, such as `head`, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except Exception as error:
        explanation = explain(error)
        if explanation is None:
            raise
        print(f"error: {explanation}", file=sys.stderr)
        return BAD_INPUT


if __name__ == "__main__":
    sys.exit(main())
