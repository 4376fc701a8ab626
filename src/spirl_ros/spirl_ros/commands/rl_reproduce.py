"""`spirl rl reproduce`: every result of the documentation, from nothing."""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from spirl_ros.commands.exit_codes import INTERRUPTED
from spirl_ros.commands.given_options import refuse_options
from spirl_ros.commands.rl_seeds import parse_seeds
from spirl_ros.errors import ConfigError

_SEEDS, _JOBS = "0,1,2", 2


def add_parser(commands) -> None:
    """Add the command to those of `spirl rl`."""
    parser = commands.add_parser(
        "reproduce",
        help="reproduce the results in the documentation",
        description="Collect demonstrations, train skills, learn the task with every method and ablation and "
        "several seeds, "
        "and write tables and curves. Takes many hours; --quick makes one policy from nothing, and evaluates it in "
        "50 other episodes. After an interruption the same command resumes.",
        epilog="example: spirl rl reproduce kitchen --out runs/kitchen --only best,spirl --jobs 2",
    )
    parser.add_argument("task", choices=("kitchen",), help="which results")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/kitchen"), metavar="DIR", help="where (default %(default)s)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="one seed, until two evaluations in a row complete 3.9 subtasks"
    )
    parser.add_argument("--only", metavar="NAME,…", help="some of the methods and ablations (default: all)")
    parser.add_argument("--seeds", metavar="N,N,…", help=f"seeds (default {_SEEDS}; with --quick one, 0)")
    parser.add_argument("--jobs", type=int, help=f"seeds that learn side by side (default {_JOBS})")
    parser.add_argument("--steps", type=int, help="control steps of each run (default: the presets')")
    parser.add_argument("--report", type=Path, metavar="FILE", help="Markdown file (default: OUT/results.md)")
    parser.add_argument("--report-only", action="store_true", help="run nothing, report what is there so far")
    parser.set_defaults(run=run_reproduce)


def run_reproduce(parsed: argparse.Namespace) -> int:
    """Run all commands that are needed, then write the report."""
    from spirl_ros.rl.quick_reproduction import QuickReproduction
    from spirl_ros.rl.reproduction import Reproduction, chosen_variants
    from spirl_ros.rl.results_report import write_report

    if parsed.quick:
        refuse_options(parsed, ("only", "jobs", "steps"), "--quick learns one seed of one method until it is good")
        seed, *others = parse_seeds("0" if parsed.seeds is None else parsed.seeds)
        if others:
            raise ConfigError(f"--quick learns one seed, but --seeds is '{parsed.seeds}'. Call it once for each.")
        return _reproduce_quickly(parsed, QuickReproduction(parsed.out, seed))
    if parsed.report_only:
        refuse_options(parsed, ("jobs", "steps"), "--report-only runs nothing")
    reproduction = Reproduction(
        parsed.out,
        chosen_variants(parsed.only),
        parse_seeds(_SEEDS if parsed.seeds is None else parsed.seeds),
        _JOBS if parsed.jobs is None else parsed.jobs,
        steps=parsed.steps,
    )
    began = time.monotonic()
    for arguments in [] if parsed.report_only else reproduction.commands():
        if code := _run(arguments):
            return code
    for path in write_report(reproduction, parsed.report or parsed.out / "results.md"):
        print(path)
    print(f"{(time.monotonic() - began) / 60.0:.1f} minutes")
    return 0


def _reproduce_quickly(parsed: argparse.Namespace, quick) -> int:
    """Run what is left to run, evaluate the policy, and print and write the one row."""
    from spirl_ros.rl.quick_reproduction import STAGES, quick_table, write_quick_report

    quick.record()  # refuses a folder of another seed before anything is run
    if not (parsed.report_only or quick.is_done):
        for arguments in quick.reproduction.commands():
            began = time.monotonic()
            code = _run(arguments)
            quick.add_seconds(STAGES[arguments[0]], time.monotonic() - began)
            if code:
                return code
        print(f"evaluation in {quick.episodes} other episodes", flush=True)
        quick.evaluate(time.monotonic)
    paths = write_quick_report(quick, parsed.report or parsed.out / "results.md")
    print("\n".join([*quick_table(quick), *map(str, paths)]))
    return 0


def _run(arguments: Sequence[str]) -> int:
    """Run one command of `spirl`; its exit code, and INTERRUPTED where a signal ended it."""
    print(f"spirl {' '.join(arguments)}", flush=True)
    process = subprocess.Popen([sys.executable, "-m", "spirl_ros.commands.main", *arguments])
    try:
        code = process.wait()
    except KeyboardInterrupt:
        process.wait()  # Ctrl-C reached it as well; it saves what it has
        return INTERRUPTED
    return INTERRUPTED if code < 0 else code
