"""`spirl demos collect` and `info`: make a dataset of demonstrations, and say what one holds."""

import argparse
import json
import os
from pathlib import Path

from spirl_ros.commands.exit_codes import INTERRUPTED
from spirl_ros.errors import ConfigError
from spirl_ros.tasks.families import DEFAULT_FAMILY, full_task

DEFAULT_EPISODES, DEFAULT_STEPS = 640, 130_000
"""As much as D4RL's mixed kitchen dataset."""


def add_parsers(commands) -> None:
    """Add the commands to those of `spirl demos`."""
    _add_collect(commands)
    _add_info(commands)


def _add_collect(commands) -> None:
    parser = commands.add_parser(
        "collect",
        help="record demonstrations of the scripted operator",
        description="Record demonstrations of the scripted operator in simulation. The operator's intended actions are "
        "recorded; what is executed, with correlated noise on the arm's joints, is recorded beside them, and so "
        "is what the task family observes beside the state, such as pictures. The result "
        "depends on the settings and the seed, not on the number of workers. Chains that fail are dropped. "
        "Ctrl-C keeps what is done in OUT.unfinished.",
        epilog="example: spirl demos collect --task kitchen --split mixed --workers 2 --out data/kitchen_mixed",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write the dataset to")
    parser.add_argument(
        "--task",
        default=DEFAULT_FAMILY,
        help="[FAMILY:]TASK, see spirl tasks, or target subtasks (default %(default)s)",
    )
    parser.add_argument(
        "--split",
        default="mixed",
        help="mixed: random chains of subtasks, no episode completes all target subtasks; complete: the target "
        "subtasks in order (default %(default)s)",
    )
    parser.add_argument(
        "--episodes", type=int, default=DEFAULT_EPISODES, help="at least this many (default %(default)s)"
    )
    parser.add_argument(
        "--steps",
        type=int,
        help=f"and at least this many control steps (default {DEFAULT_STEPS} for {DEFAULT_EPISODES} episodes, else 0)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers (default %(default)s)")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one per core, %(default)s)"
    )
    noise = parser.add_mutually_exclusive_group()
    noise.add_argument(
        "--noise",
        nargs=2,
        type=float,
        default=(0.05, 0.25),
        metavar=("SIGMA_MIN", "SIGMA_MAX"),
        help="range of the injected noise's standard deviation, one draw per episode (default 0.05 0.25)",
    )
    noise.add_argument("--no-noise", action="store_true", help="execute the intended actions")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted collection")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.set_defaults(run=run_collect)


def run_collect(parsed: argparse.Namespace) -> int:
    """Collect, with a progress bar, and print what came out."""
    from spirl_ros.commands.collection_bar import CollectionBar
    from spirl_ros.demonstrations.collect import Amount, collect
    from spirl_ros.demonstrations.collection import CollectionConfig

    for name, smallest in (("episodes", 1), ("steps", 0), ("workers", 1)):
        value = getattr(parsed, name)
        if value is not None and value < smallest:
            raise ConfigError(f"--{name} is {value}, expected at least {smallest}.")
    steps = parsed.steps
    if steps is None:
        steps = DEFAULT_STEPS if parsed.episodes == DEFAULT_EPISODES else 0
    config = CollectionConfig(
        task=full_task(parsed.task),
        split=parsed.split,
        seed=parsed.seed,
        noise=(0.0, 0.0) if parsed.no_noise else tuple(parsed.noise),
    )
    amount = Amount(parsed.episodes, steps)
    with CollectionBar(amount) as bar:
        try:
            result = collect(
                parsed.out, config, amount, workers=parsed.workers, resume=parsed.resume, on_progress=bar.show
            )
        except KeyboardInterrupt:
            bar.close()
            print(f"Interrupted. {bar.episodes} episodes are kept in {parsed.out}.unfinished; --resume continues.")
            return INTERRUPTED
    figures = {
        "path": str(parsed.out),
        "episodes": len(result.dataset.episodes),
        "steps": result.dataset.steps,
        "dropped": result.dataset.origin["dropped"],
        "env_steps_per_s": result.new_steps / result.duration_s if result.new_steps else 0.0,
        "duration_s": result.duration_s,
        "digest": result.digest,
    }
    dropped = ", ".join(f"{count} {reason}" for reason, count in figures["dropped"].items()) or "none"
    print(f"{figures['episodes']} episodes with {figures['steps']} steps in {parsed.out}; chains dropped: {dropped}")
    print(f"{figures['env_steps_per_s']:.0f} environment steps/s for {figures['duration_s']:.0f} s")
    print(f"digest {result.digest}")
    if parsed.json:
        print(json.dumps(figures))
    return 0


def _add_info(commands) -> None:
    parser = commands.add_parser(
        "info",
        help="print what a dataset holds",
        description="Read and check a whole dataset, and print what it holds.",
        epilog="example: spirl demos info data/kitchen_mixed",
    )
    parser.add_argument("source", metavar="DATASET", help="folder, D4RL file, bags, or id in Minari's local storage")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.set_defaults(run=run_info)


def run_info(parsed: argparse.Namespace) -> int:
    """Print the table."""
    from spirl_ros.demonstrations.dataset_summary import summarise, summary_table
    from spirl_ros.demonstrations.sources import find_source, read_source

    figures = summarise(read_source(parsed.source))
    print(summary_table(figures))
    if parsed.json:
        _, layout = find_source(parsed.source)
        print(json.dumps({"path": parsed.source, "layout": layout, **figures}))
    return 0
