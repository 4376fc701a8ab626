"""Entry point of `spirl`: one module per command."""

import argparse
import sys
from collections.abc import Sequence

from spirl_ros.commands import bench, demos, up
from spirl_ros.errors import explain

EXIT_BAD_INPUT = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code. What is the input's fault is printed as one line."""
    parser = argparse.ArgumentParser(
        prog="spirl", description="Skill-prior reinforcement learning for robot arms, in simulation and on ROS 2."
    )
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (demos, up, bench):
        command.add_parser(subparsers)
    parsed = parser.parse_args(arguments)
    try:
        return parsed.run(parsed)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        explanation = explain(error)
        if explanation is None:
            raise
        print(f"error: {explanation}", file=sys.stderr)
        return EXIT_BAD_INPUT


if __name__ == "__main__":
    sys.exit(main())
