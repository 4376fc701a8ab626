"""`spirl demos plot`: what a dataset holds, as pictures."""

import argparse
import sys
from pathlib import Path

from spirl_ros.commands.left_out_fields import say_left_out_fields


def add_parser(commands) -> None:
    """Add the command to those of `spirl demos`."""
    parser = commands.add_parser(
        "plot",
        help="draw what a dataset holds",
        description="Write PNG files: episode lengths and actions per joint; for a task family "
        "(the kitchen) also subtasks and tool paths.",
        epilog="example: spirl demos plot data/kitchen_mixed --out plots",
    )
    parser.add_argument("source", metavar="DATASET", help="folder, D4RL file, or id in Minari's local storage")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the PNG files")
    parser.set_defaults(run=run_plot)


def run_plot(parsed: argparse.Namespace) -> int:
    """Read, draw, and print the files' names."""
    from spirl_ros.demonstrations.plots import FAMILY_PLOTS, write_plots
    from spirl_ros.demonstrations.sources import read_source

    dataset = read_source(parsed.source)
    paths = write_plots(dataset, parsed.out)
    for path in paths:
        print(path)
    if left_out := [name for name in FAMILY_PLOTS if name not in [path.stem for path in paths]]:
        print(
            f"left out: {', '.join(left_out)}. Only task families have them; {parsed.source} is of another robot.",
            file=sys.stderr,
        )
    say_left_out_fields(dataset, "plots are of the state and the actions")
    return 0
