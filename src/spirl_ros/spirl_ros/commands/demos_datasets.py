"""`spirl demos collect`, `info`, `import` and `export`: datasets of demonstrations."""

import argparse
import json
import os
import sys
from pathlib import Path

from spirl_ros.errors import ConfigError, DatasetError

DEFAULT_EPISODES, DEFAULT_STEPS = 640, 130_000
"""As much as D4RL's mixed kitchen dataset."""

INTERRUPTED = 130


def add_parsers(commands) -> None:
    """Add the commands to those of `spirl demos`."""
    _add_collect(commands)
    _add_info(commands)
    _add_import(commands)
    _add_export(commands)


def _add_collect(commands) -> None:
    parser = commands.add_parser(
        "collect",
        help="record demonstrations of the scripted operator",
        description="Record demonstrations of the scripted operator in simulation. The operator's intended actions are "
        "recorded; what is executed, with correlated noise on the arm's joints, is recorded beside them. The result "
        "depends on the settings and the seed, not on the number of workers. Chains that fail are dropped. "
        "Ctrl-C keeps what is done in OUT.unfinished.",
        epilog="example: spirl demos collect --task kitchen --split mixed --workers 2 --out data/kitchen_mixed",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder that the dataset becomes")
    parser.add_argument("--task", default="kitchen", help="task, or its target subtasks (default %(default)s)")
    parser.add_argument(
        "--split",
        default="mixed",
        help="mixed: random chains of four, no episode completes all target subtasks; complete: the target subtasks in "
        "order (default %(default)s)",
    )
    parser.add_argument("--episodes", type=int, default=DEFAULT_EPISODES, help="at least so many (default %(default)s)")
    parser.add_argument(
        "--steps",
        type=int,
        help=f"and at least so many control steps (default {DEFAULT_STEPS} for {DEFAULT_EPISODES} episodes, else 0)",
    )
    parser.add_argument("--seed", type=int, default=0, help="decides everything random (default %(default)s)")
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
    parser.add_argument("--resume", action="store_true", help="go on with what an interrupted collection left")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.set_defaults(run=run_collect)


def run_collect(parsed: argparse.Namespace) -> int:
    """Collect, with a progress bar, and print what came out."""
    from tqdm import tqdm

    from spirl_ros.demonstrations.collect import Amount, CollectionProgress, collect
    from spirl_ros.demonstrations.collection import CollectionConfig

    for name, smallest in (("episodes", 1), ("steps", 0), ("workers", 1)):
        value = getattr(parsed, name)
        if value is not None and value < smallest:
            raise ConfigError(f"--{name} is {value}, expected at least {smallest}.")
    steps = parsed.steps
    if steps is None:
        steps = DEFAULT_STEPS if parsed.episodes == DEFAULT_EPISODES else 0
    config = CollectionConfig(
        task=parsed.task,
        split=parsed.split,
        seed=parsed.seed,
        noise=(0.0, 0.0) if parsed.no_noise else tuple(parsed.noise),
    )
    seconds_between_prints = 0.2 if sys.stderr.isatty() else 10.0
    with tqdm(total=parsed.episodes, unit="episode", mininterval=seconds_between_prints) as bar:

        def show(progress: CollectionProgress) -> None:
            if progress.kept:
                needed_for_steps = -(-steps * len(progress.kept) // progress.kept_steps)
                bar.total = max(parsed.episodes, needed_for_steps)
            if bar.n == 0 and len(progress.kept) > 1:  # stored by an earlier run: no part of this one's rate
                bar.initial = len(progress.kept)
            bar.set_postfix(steps=progress.kept_steps, dropped=sum(progress.dropped.values()), refresh=False)
            bar.update(len(progress.kept) - bar.n)

        try:
            result = collect(
                parsed.out,
                config,
                Amount(parsed.episodes, steps),
                workers=parsed.workers,
                resume=parsed.resume,
                on_progress=show,
            )
        except KeyboardInterrupt:
            bar.close()
            print(f"Interrupted. {bar.n} episodes are kept in {parsed.out}.unfinished; --resume goes on.")
            return INTERRUPTED
    figures = {
        "path": str(parsed.out),
        "episodes": len(result.dataset.episodes),
        "steps": result.dataset.steps,
        "dropped": result.dataset.origin["dropped"],
        "env_steps_per_s": result.new_steps / result.duration_s,
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
        help="say what a dataset holds",
        description="Read a dataset as a whole, check it, compare its digest with the stored one, and print what it "
        "holds. PATH is a folder of ours or a D4RL file of the kitchen family.",
        epilog="example: spirl demos info data/kitchen_mixed",
    )
    parser.add_argument("path", type=Path, metavar="PATH", help="folder, or .hdf5 file in D4RL's schema")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.set_defaults(run=run_info)


def run_info(parsed: argparse.Namespace) -> int:
    """Print the table."""
    from spirl_ros.demonstrations.d4rl import read_d4rl
    from spirl_ros.demonstrations.dataset_summary import summarise, summary_table
    from spirl_ros.demonstrations.storage import read_dataset, stored_digest

    is_ours = not parsed.path.is_file()
    figures = summarise(read_dataset(parsed.path) if is_ours else read_d4rl(parsed.path))
    if is_ours and figures["digest"] != stored_digest(parsed.path):
        raise DatasetError(
            f"{parsed.path} has digest {figures['digest']}, but {stored_digest(parsed.path)} was stored with it: "
            "its arrays were changed."
        )
    print(summary_table(figures))
    if parsed.json:
        print(json.dumps({"path": str(parsed.path), "layout": "minari" if is_ours else "d4rl", **figures}))
    return 0


def _add_import(commands) -> None:
    parser = commands.add_parser(
        "import",
        help="turn a D4RL file into a dataset",
        description="Turn an HDF5 file of D4RL's kitchen family into a dataset. Such a file lacks the observation "
        "after an episode's last action, so that one action is left out.",
        epilog="example: spirl demos import kitchen_mixed.hdf5 --out data/human",
    )
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="HDF5 file with observations (N, 60), actions (N, 9), …"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder that the dataset becomes")
    parser.add_argument("--task", default="kitchen", help="task of the dataset (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.set_defaults(run=run_import)


def run_import(parsed: argparse.Namespace) -> int:
    """Read, write, and print the digest."""
    from spirl_ros.demonstrations.d4rl import read_d4rl
    from spirl_ros.demonstrations.storage import write_dataset
    from spirl_ros.tasks.kitchen.subtasks import target_subtasks

    target_subtasks(parsed.task)
    dataset = read_d4rl(parsed.file, parsed.task)
    digest = write_dataset(parsed.out, dataset)
    print(f"{len(dataset.episodes)} episodes with {dataset.steps} steps in {parsed.out}\ndigest {digest}")
    if parsed.json:
        figures = {"path": str(parsed.out), "episodes": len(dataset.episodes), "steps": dataset.steps, "digest": digest}
        print(json.dumps(figures))
    return 0


def _add_export(commands) -> None:
    parser = commands.add_parser(
        "export",
        help="write a dataset in another format",
        description="Write a kitchen dataset in another format. d4rl: one HDF5 file in the kitchen family's schema, "
        "with next_observations and infos/executed_actions besides.",
        epilog="example: spirl demos export data/kitchen_mixed --format d4rl --out kitchen_mixed.hdf5",
    )
    parser.add_argument("path", type=Path, metavar="PATH", help="folder of the dataset")
    parser.add_argument("--format", required=True, choices=["d4rl"], help="what to write")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.set_defaults(run=run_export)


def run_export(parsed: argparse.Namespace) -> int:
    """Read and write."""
    from spirl_ros.demonstrations.d4rl import write_d4rl
    from spirl_ros.demonstrations.storage import read_dataset

    dataset = read_dataset(parsed.path)
    write_d4rl(parsed.out, dataset)
    print(f"{len(dataset.episodes)} episodes with {dataset.steps} steps in {parsed.out}")
    if parsed.json:
        print(json.dumps({"path": str(parsed.out), "episodes": len(dataset.episodes), "steps": dataset.steps}))
    return 0
