"""`spirl demos`: collect, inspect and convert demonstrations."""

import argparse
import json
import threading
import time
from collections.abc import Callable

from spirl_ros.commands import demos_datasets, demos_exchange, demos_plot, demos_replay
from spirl_ros.errors import ConfigError
from spirl_ros.tasks.families import DEFAULT_FAMILY, find_family


def add_parser(subparsers) -> None:
    """Add the command and its subcommands."""
    parser = subparsers.add_parser(
        "demos",
        help="collect, inspect and convert demonstrations",
        description="Collect, inspect and convert demonstrations.",
        epilog="example: spirl demos collect --out data/kitchen_mixed",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_operator(commands)
    demos_datasets.add_parsers(commands)
    demos_exchange.add_parsers(commands)
    demos_replay.add_parser(commands)
    demos_plot.add_parser(commands)


def _add_operator(commands) -> None:
    parser = commands.add_parser(
        "operator",
        help="try a scripted operator",
        description="Let a task family's scripted operator do random chains of its subtasks (four in the kitchen), and "
        "report how well each subtask goes. Chain i uses seed SEED + i; results do not depend on "
        "the number of workers.",
        epilog="example: spirl demos operator --chains 100 --workers 2",
    )
    parser.add_argument(
        "--family", default=DEFAULT_FAMILY, help="whose operator: see spirl tasks (default %(default)s)"
    )
    parser.add_argument("--chains", type=int, default=100, help="how many chains (default %(default)s)")
    parser.add_argument(
        "--pairs", type=int, default=0, metavar="N", help="instead of chains, every ordered pair of subtasks, N times"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the first chain (default %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="threads (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.set_defaults(run=run_operator)


def run_operator(parsed: argparse.Namespace) -> int:
    """Run the chains and print the table."""
    from spirl_ros.demonstrations.operator_report import OperatorReport, ordered_pairs, random_chains, run_chains

    for name, smallest in (("chains", 1), ("pairs", 0), ("seed", 0), ("workers", 1)):
        if getattr(parsed, name) < smallest:
            raise ConfigError(f"--{name} is {getattr(parsed, name)}, expected at least {smallest}.")
    family = find_family(parsed.family)
    pairs, seed = parsed.pairs, parsed.seed
    chains = ordered_pairs(family, pairs, seed) if pairs else random_chains(family, parsed.chains, seed)
    began_s = time.monotonic()
    results = run_chains(family, chains, workers=parsed.workers, on_result=_progress_printer(len(chains)))
    report = OperatorReport(family.subtasks, results, duration_s=time.monotonic() - began_s)
    print(report.table())
    if parsed.json:
        print(json.dumps(report.as_dict()))
    return 0


def _progress_printer(total: int) -> Callable[[object], None]:
    """Prints how many chains are done, at every tenth of them; called from the workers' threads."""
    lock = threading.Lock()
    began_s = time.monotonic()
    finished = 0

    def on_result(_: object) -> None:
        nonlocal finished
        with lock:
            finished += 1
            if finished % max(1, total // 10) == 0 or finished == total:
                seconds_each = (time.monotonic() - began_s) / finished
                left_s = seconds_each * (total - finished)
                print(f"{finished}/{total} chains, {1.0 / seconds_each:.1f}/s, {left_s:.0f} s left", flush=True)

    return on_result
