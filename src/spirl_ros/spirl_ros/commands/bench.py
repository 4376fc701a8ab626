"""`spirl bench`: our speed beside our peers', in one interleaved run."""

import argparse
import json


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "bench",
        help="measure speed beside peers",
        description="Measure speed beside peers, in turn (A B A B), and print medians, quartiles and ratios.",
        epilog="example: spirl bench env --rounds 100",
    )
    parser.add_argument("what", choices=["env"], help="env: kitchen steps per second beside FrankaKitchen-v1")
    parser.add_argument("--rounds", type=int, default=100, help="counted rounds (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Run the benchmark and print its table."""
    from spirl_ros.benchmarks.environment import compare_environments

    comparison = compare_environments(rounds=max(2, parsed.rounds))
    print(comparison.table())
    if parsed.json:
        print(json.dumps(comparison.as_dict()))
    return 0
