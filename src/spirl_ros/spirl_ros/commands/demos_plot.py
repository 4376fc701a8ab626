"""`spirl demos plot`: what a dataset holds, as pictures."""

import argparse
import sys
from pathlib import Path


def add_parser(commands) -> None:
    """Add the command to those of `spirl demos`."""
    parser = commands.add_parser(
        "plot",
        help="draw what a dataset holds",
        description="Write PNG files: episode lengths and actions per joint; for the kitchen subtasks and the tool's paths, "
        "too.",
        epilog="example: spirl demos plot data/kitchen_mixed --out plots",
    )
    parser.add_argument("source", metavar="DATASET", help="folder, D4RL file, or id in Minari's local storage")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the PNG files")
    parser.set_defaults(run=run_plot)


def run_plot(parsed: argparse.Namespace) -> int:
    """Read, draw, and print the files' names."""
    from spirl_ros.demonstrations.plots import KITCHEN_PLOTS, write_plots
    from spirl_ros.demonstrations.sources import read_source

    paths = write_plots(read_source(parsed.source), parsed.out)
    for path in paths:
        print(path)
    if not any(path.stem in KITCHEN_PLOTS for path in paths):
        print(
            f"left out: {', '.join(KITCHEN_PLOTS)}. Only the kitchen has them; {parsed.source} is of another robot.",
            file=sys.stderr,
        )
    return 0
