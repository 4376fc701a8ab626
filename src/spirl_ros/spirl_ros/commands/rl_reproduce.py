"""`spirl rl reproduce`: every result of the documentation, from nothing."""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from spirl_ros.commands.exit_codes import INTERRUPTED
from spirl_ros.commands.rl_seeds import parse_seeds
from spirl_ros.errors import ConfigError


def add_parser(commands) -> None:
    """Add the command to those of `spirl rl`."""
    parser = commands.add_parser(
        "reproduce",
        help="make the results of the documentation again",
        description="Collect demonstrations, train skills, learn the task with every method and ablation and several seeds, "
        "and write tables and curves. Takes many hours; --quick makes one good policy from nothing. The same command again "
        "goes on where it was interrupted.",
        epilog="example: spirl rl reproduce kitchen --out runs/kitchen --only best,spirl --jobs 2",
    )
    parser.add_argument("task", choices=("kitchen",), help="which results")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/kitchen"), metavar="DIR", help="where (default %(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="one seed, until an evaluation completes 3.5 subtasks")
    parser.add_argument("--only", metavar="NAME,…", help="some of the methods and ablations (default: all)")
    parser.add_argument("--seeds", default="0,1,2", metavar="N,N,…", help="seeds (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="seeds that learn side by side (default %(default)s)")
    parser.add_argument("--steps", type=int, help="control steps of each run (default: the presets')")
    parser.add_argument("--report", type=Path, metavar="FILE", help="Markdown file (default: OUT/results.md)")
    parser.add_argument("--report-only", action="store_true", help="run nothing, write what is there so far")
    parser.set_defaults(run=run_reproduce)


def run_reproduce(parsed: argparse.Namespace) -> int:
    """Run all commands that are needed, then write the report."""
    from spirl_ros.rl.reproduction import Reproduction, chosen_variants, quick_reproduction
    from spirl_ros.rl.results_report import write_report

    if parsed.quick:
        if parsed.only or parsed.steps:
            raise ConfigError("--quick stands alone: leave out --only and --steps.")
        reproduction = quick_reproduction(parsed.out)
    else:
        reproduction = Reproduction(
            parsed.out, chosen_variants(parsed.only), parse_seeds(parsed.seeds), parsed.jobs, steps=parsed.steps
        )
    began = time.monotonic()
    for arguments in [] if parsed.report_only else reproduction.commands():
        print(f"spirl {' '.join(arguments)}", flush=True)
        code = subprocess.run([sys.executable, "-m", "spirl_ros.commands.main", *arguments]).returncode
        if code:
            return INTERRUPTED if code < 0 else code
    for path in write_report(reproduction, parsed.report or parsed.out / "results.md"):
        print(path)
    print(f"{(time.monotonic() - began) / 60.0:.1f} minutes")
    return 0
