"""The same reinforcement learning with several seeds, one process each, in sequence or side by side."""

import argparse
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from spirl_ros.commands.exit_codes import INTERRUPTED
from spirl_ros.errors import ConfigError, TrainingError


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds such as `0,1,2`. Raises ConfigError."""
    try:
        seeds = tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(f"--seeds is '{text}', expected whole numbers such as 0,1,2.") from error
    if len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise ConfigError(f"--seeds is '{text}', expected different numbers from 0 on.")
    return seeds


def train_seeds(parsed: argparse.Namespace) -> int:
    """Train each seed in OUT/seed_N and print all results. With --resume, finished seeds are left and others go on."""
    from spirl_ros.rl.run import RlRun

    if parsed.seed is not None or parsed.json:
        raise ConfigError("--seeds stands alone: leave out --seed and --json.")
    jobs = 1 if parsed.jobs is None else parsed.jobs
    if jobs < 1:
        raise ConfigError(f"--jobs is {jobs}, expected at least 1.")
    folders = {seed: parsed.out / f"seed_{seed}" for seed in parse_seeds(parsed.seeds)}
    waiting: deque[tuple[int, list[str]]] = deque()
    for seed, folder in folders.items():
        if not (parsed.resume and folder.exists()):
            waiting.append((seed, _beginning(parsed, seed, folder)))
            continue
        run = RlRun.open(folder)
        is_longer = parsed.steps is not None and parsed.steps > run.config.training.steps
        if is_longer or not run.is_finished:
            more = ["--steps", str(parsed.steps)] if is_longer else []
            waiting.append((seed, ["--out", str(folder), "--resume", *more]))
    try:
        _run_all(waiting, parsed.out, jobs)
    except KeyboardInterrupt:
        print(f"Interrupted. Everything is kept in {parsed.out}; --resume continues.")
        return INTERRUPTED
    print(seeds_table(list(folders.values())))
    return 0


def seeds_table(folders: Sequence[Path]) -> str:
    """How the seeds learned, for people."""
    from spirl_ros.rl.learning_curve import mean_and_spread, read_learning_curve
    from spirl_ros.training_folder import METRICS_FILE

    curves = [read_learning_curve(folder / METRICS_FILE) for folder in folders]
    lines = []
    for folder, curve in zip(folders, curves, strict=True):
        best = curve.evaluations[:, 1].max(initial=0.0)
        lines.append(f"{folder.name}: last 20 episodes {curve.last()[0]:.2f} in order, best evaluation {best:.2f}")
    return "\n".join([*lines, f"all: {mean_and_spread([curve.last()[0] for curve in curves])}"])


def _beginning(parsed: argparse.Namespace, seed: int, folder: Path) -> list[str]:
    """The arguments of a new run."""
    given = {"skills": parsed.skills, "data": parsed.data, "task": parsed.task, "method": parsed.method}
    given |= {"steps": parsed.steps, "preset": parsed.preset, "seed": seed, "out": folder}
    options = [part for name, value in given.items() if value is not None for part in (f"--{name}", str(value))]
    if parsed.demos_in_replay is not None:
        options.append("--demos-in-replay" if parsed.demos_in_replay else "--no-demos-in-replay")
    return options + [part for change in parsed.changes for part in ("--set", change)]


def _run_all(waiting: deque[tuple[int, list[str]]], out: Path, jobs: int) -> None:
    """Keep `jobs` processes busy until all are done; alone, one shows its progress bar, side by side each has a log."""
    running: dict[int, subprocess.Popen] = {}
    failed: list[int] = []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                seed, options = waiting.popleft()
                command = [sys.executable, "-m", "spirl_ros.commands.main", "rl", "train", *options]
                if jobs == 1:
                    print(f"seed {seed}", flush=True)
                    running[seed] = subprocess.Popen(command)
                    continue
                log = out / f"seed_{seed}.log"
                print(f"seed {seed} learns; its progress is in {log}", flush=True)
                out.mkdir(parents=True, exist_ok=True)
                with log.open("a", encoding="utf-8") as file:
                    running[seed] = subprocess.Popen(command, stdout=file, stderr=file)
            for seed, process in list(running.items()):
                try:
                    code = process.wait(timeout=1.0)
                except subprocess.TimeoutExpired:
                    continue
                del running[seed]
                if code == INTERRUPTED:
                    raise KeyboardInterrupt
                failed += [seed] if code else []
    except KeyboardInterrupt:
        for process in running.values():  # Ctrl-C reached them as well; each saves a checkpoint
            process.wait()
        raise
    if failed:
        names = ", ".join(str(seed) for seed in failed)
        raise TrainingError(f"seed {names} failed, as said above or in {out}/seed_N.log. The others are complete.")
