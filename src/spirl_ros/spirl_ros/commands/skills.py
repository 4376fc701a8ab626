"""`spirl skills`: train the skill model on demonstrations and see what it has learned."""

import argparse
import json
import math
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from spirl_ros.commands.exit_codes import INTERRUPTED
from spirl_ros.commands.run_origin import check_same_dataset, current_commit
from spirl_ros.errors import ConfigError


def add_parser(subparsers) -> None:
    """Add the command and its subcommands."""
    parser = subparsers.add_parser(
        "skills",
        help="train and evaluate skills",
        description="Train skills on demonstrations, and evaluate them.",
        epilog="example: spirl skills train --data data/kitchen_mixed --out runs/skills",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_train(commands)
    _add_eval(commands)
    _add_explore(commands)


def _add_eval(commands) -> None:
    parser = commands.add_parser(
        "eval",
        help="evaluate trained skills",
        description="Evaluate the best skills of a training: how well they reproduce held-out demonstrations, and "
        "in the simulator what the skill prior alone does, beside random latents and behavioural cloning. What is "
        "simulated is the exported bundle with the skill executor and the safety filter of the robot.",
        epilog="example: spirl skills eval runs/skills --episodes 50 --plots runs/skills/plots",
    )
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="folder of spirl skills train")
    parser.add_argument("--data", type=Path, metavar="DIR", help="where the dataset is now, when it was moved")
    parser.add_argument(
        "--episodes", type=int, default=50, help="simulated episodes of each kind (default %(default)s)"
    )
    parser.add_argument(
        "--demonstrations", type=int, default=32, help="fresh demonstrations to replay (default %(default)s)"
    )
    parser.add_argument("--workers", type=int, default=2, help="threads of simulation (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first episode (default %(default)s)")
    parser.add_argument("--no-cloning", action="store_true", help="leave out the behavioural-cloning policy")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="also draw pictures into this folder")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.set_defaults(run=run_eval)


def _add_explore(commands) -> None:
    parser = commands.add_parser(
        "explore",
        help="show where skills lead that nobody chooses",
        description="Run episodes of a bundle's skill prior alone, of random latents and of random actions, and count "
        "the cells of a grid that the tool passes.",
        epilog="example: spirl skills explore models/maze --task maze:goal --cell 1 --plots plots",
    )
    parser.add_argument("bundle", type=Path, metavar="DIR", help="bundle with skills")
    parser.add_argument("--task", help="where: a task of the skills' family (default: that of the bundle)")
    parser.add_argument("--episodes", type=int, default=60, help="episodes of each kind (default %(default)s)")
    parser.add_argument("--cell", type=float, default=0.1, metavar="METRES", help="a cell's side (default %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="threads of simulation (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first episode (default %(default)s)")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="also draw the paths into this folder")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.set_defaults(run=run_explore)


def run_explore(parsed: argparse.Namespace) -> int:
    """Run the episodes, and print what they passed."""
    from spirl_ros.deployment.bundle import load_bundle
    from spirl_ros.deployment.bundle_file import find_bundle
    from spirl_ros.plotting import write_figures
    from spirl_ros.skills.exploration import draw_exploration, explore, passed_cells

    _require_at_least(parsed, (("episodes", 1), ("workers", 1), ("seed", 0)))
    if not 0.0 < parsed.cell < math.inf:
        raise ConfigError(f"--cell is {parsed.cell}, expected metres, more than 0.")
    bundle = load_bundle(find_bundle(parsed.bundle, "DIR"))
    task = parsed.task or bundle.description.task
    found = explore(bundle, task, parsed.episodes, parsed.seed, min(parsed.workers, parsed.episodes))
    cells = {kind: passed_cells(paths, parsed.cell) for kind, paths in found.items()}
    print(f"cells of {parsed.cell:g} m that {parsed.episodes} episodes of {task} pass:")
    for kind, count in cells.items():
        print(f"  {kind:16s} {count}")
    if parsed.plots is not None:
        for path in write_figures({"exploration": lambda: draw_exploration(found)}, parsed.plots):
            print(path)
    if parsed.json:
        print(json.dumps({"task": task, "episodes": parsed.episodes, "cell_m": parsed.cell, "cells": cells}))
    return 0


def run_eval(parsed: argparse.Namespace) -> int:
    """Evaluate, and print the tables."""
    from spirl_ros.demonstrations.storage import read_dataset
    from spirl_ros.skills.evaluation import evaluate_skills, evaluation_table
    from spirl_ros.skills.run import SkillRun
    from spirl_ros.tasks.families import family_of

    _require_at_least(parsed, (("episodes", 1), ("demonstrations", 1), ("workers", 1), ("seed", 0)))
    import torch

    torch.set_num_threads(1)  # simulation has the other cores
    run = SkillRun.open(parsed.run_folder)
    data = parsed.data or Path(run.config.dataset.folder)
    check_same_dataset(run, data)
    dataset = read_dataset(data)
    family = family_of(dataset.task)
    if not set(dataset.episodes[0].metadata.observation_names) <= set(family.robot.units):
        raise ConfigError(
            f"{data} was not recorded in the {family.name}, and no other simulator is here. Try these skills on a "
            f"stand-in for their arm: spirl export {parsed.run_folder} --robot ROBOT --out models/NAME, then "
            "docs/real_arms.md."
        )
    figures = evaluate_skills(
        run,
        dataset,
        episodes=parsed.episodes,
        demonstrations=parsed.demonstrations,
        workers=parsed.workers,
        seed=parsed.seed,
        with_cloning=not parsed.no_cloning,
        on_part=lambda name: print(f"{name} …", file=sys.stderr, flush=True),
    )
    print(evaluation_table(figures))
    if parsed.plots is not None:
        from spirl_ros.skills.evaluation_plots import write_skill_plots

        for path in write_skill_plots(run, dataset, parsed.plots):
            print(path)
    if parsed.json:
        print(json.dumps(figures))
    return 0


def _add_train(commands) -> None:
    parser = commands.add_parser(
        "train",
        help="learn skills and their prior from demonstrations",
        description="Learn the skill encoder, the decoder and the skill prior from a dataset of demonstrations. "
        "Writes config.yaml, best.pt, checkpoint.pt, metrics.jsonl and TensorBoard events to OUT. Ctrl-C saves a "
        "checkpoint; --resume continues from it with the numbers of an uninterrupted run.",
        epilog="example: spirl skills train --data data/kitchen_mixed --out runs/skills --preset quick "
        "--set latent_size=12",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="dataset; with --resume that of the run")
    parser.add_argument("--task", help="refuse a dataset that was made for another task (default: any)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of this training")
    parser.add_argument(
        "--preset",
        help="robust (default for a simulated robot): for a policy that withstands disturbances; quick (default for "
        "another arm): minutes; full: the longest; pictures: open-loop skills whose prior sees pictures; official: as "
        "Pertsch et al.",
    )
    parser.add_argument("--decoder", help="closed_loop (default) or open_loop")
    parser.add_argument("--seed", type=int, help="seed of weights, batches and split (default 0)")
    parser.add_argument("--steps", type=int, help="gradient steps (default: the preset's); with --resume more of them")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="changes", help="change any other setting"
    )
    parser.add_argument("--resume", action="store_true", help="resume the training in OUT")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.set_defaults(run=run_train)


def run_train(parsed: argparse.Namespace) -> int:
    """Train, with a progress bar, and print what came out."""
    from tqdm import tqdm

    from spirl_ros.demonstrations.storage import read_dataset
    from spirl_ros.skills.run import SkillRun
    from spirl_ros.skills.train import check_dataset, explained_per_joint, train
    from spirl_ros.skills.training import StepReport

    run = SkillRun.open(parsed.out) if parsed.resume else None
    data = parsed.data or (Path(run.config.dataset.folder) if run else None)
    if data is None:
        raise ConfigError("--data is missing, expected a dataset's folder. Make one: spirl demos collect.")
    dataset = read_dataset(data, parsed.task)
    if run is None:
        run = _create_run(parsed, data, dataset)
    else:
        _check_same(run, parsed, data)
        if parsed.steps is not None:
            run.lengthen(parsed.steps)
    check_dataset(dataset, run.config.model, run.config.training)
    validation: StepReport | None = None
    seconds_between_prints = 0.2 if sys.stderr.isatty() else 10.0
    with tqdm(total=run.config.training.steps, unit="step", mininterval=seconds_between_prints) as bar:

        def show(report: StepReport) -> None:
            nonlocal validation
            if report.is_validation:
                validation = report
                return
            if bar.n == 0 and report.step > 1:  # done by an earlier call: no part of this one's rate
                bar.initial = bar.n = report.step - 1
            losses = {"reconstruction": f"{report.reconstruction:.4f}", "kl": f"{report.kl:.1f}"}
            losses["prior"] = f"{report.prior:.2f}"
            if validation is not None:
                losses["held_out"] = f"{validation.reconstruction:.4f}"
            bar.set_postfix(losses, refresh=False)
            bar.update(report.step - bar.n)

        try:
            best_loss = train(run, dataset, show)
        except KeyboardInterrupt:
            bar.close()
            print(f"Interrupted at step {bar.n}. Everything is kept in {parsed.out}; --resume continues.")
            return INTERRUPTED
        rate = (bar.n - bar.initial) / bar.format_dict["elapsed"]
    figures = {"run": str(parsed.out), "steps": run.config.training.steps, "best_validation_loss": best_loss}
    if validation is not None:
        figures |= {"reconstruction": validation.reconstruction, "kl": validation.kl, "prior": validation.prior}
    print(f"skills trained in {parsed.out}; held-out loss {best_loss:.4f}" + (f", {rate:.1f} steps/s" if rate else ""))
    figures["explained_per_joint"] = explained = explained_per_joint(run, dataset)
    print("R2 of each joint: " + ", ".join(f"{name} {value:.2f}" for name, value in explained.items()))
    print(f"next: spirl skills eval {parsed.out} (simulated), or spirl export {parsed.out} --robot ROBOT (another arm)")
    if parsed.json:
        print(json.dumps(figures))
    return 0


def _require_at_least(parsed: argparse.Namespace, smallest: Sequence[tuple[str, int]]) -> None:
    for name, least in smallest:
        if getattr(parsed, name) < least:
            raise ConfigError(f"--{name} is {getattr(parsed, name)}, expected at least {least}.")


def _create_run(parsed: argparse.Namespace, data: Path, dataset):
    from spirl_ros.demonstrations.storage import stored_digest
    from spirl_ros.skills.presets import resolve
    from spirl_ros.skills.run import SkillRun, SkillRunConfig
    from spirl_ros.skills.train import check_dataset, dataset_reference, default_preset

    changes = list(parsed.changes)
    for name in ("seed", "steps"):
        if getattr(parsed, name) is not None:
            changes.append(f"{name}={getattr(parsed, name)}")
    model, training = resolve(parsed.preset or default_preset(dataset), parsed.decoder, changes)
    check_dataset(dataset, model, training)
    config = SkillRunConfig(
        model=model,
        training=training,
        dataset=dataset_reference(data.absolute(), dataset, stored_digest(data)),
        commit=current_commit(),
        command=shlex.join(["spirl", *sys.argv[1:]]),
    )
    return SkillRun.create(parsed.out, config)


def _check_same(run, parsed: argparse.Namespace, data: Path) -> None:
    """What decides the numbers cannot change in the middle."""
    if parsed.changes or any(getattr(parsed, name) is not None for name in ("preset", "decoder", "seed")):
        raise ConfigError(
            f"--resume uses {run.folder}/config.yaml. Leave other settings than --steps out, or start a new run."
        )
    check_same_dataset(run, data)
