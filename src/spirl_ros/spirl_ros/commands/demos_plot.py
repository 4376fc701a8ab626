"""`spirl demos plot`: what a dataset holds, as pictures."""

import argparse
from pathlib import Path


def add_parser(commands) -> None:
    """Add the command to those of `spirl demos`."""
    parser = commands.add_parser(
        "plot",
        help="draw what a dataset holds",
        description="Write four PNG files: episode lengths, subtasks, actions per joint, and the tool's paths.",
        epilog="example: spirl demos plot data/kitchen_mixed --out plots",
    )
    parser.add_argument("source", metavar="DATASET", help="folder, D4RL file, or id in Minari's local storage")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the PNG files")
    parser.set_defaults(run=run_plot)


def run_plot(parsed: argparse.Namespace) -> int:
    """Read, draw, and print the files' names."""
    from spirl_ros.demonstrations.plots import write_plots
    from spirl_ros.demonstrations.sources import read_source

    for path in write_plots(read_source(parsed.source), parsed.out):
        print(path)
    return 0
