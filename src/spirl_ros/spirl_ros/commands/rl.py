"""`spirl rl`: learn a task from skills, and see how well it is done."""

import argparse
import json
import shlex
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spirl_ros.commands import rl_reproduce
from spirl_ros.commands.exit_codes import INTERRUPTED
from spirl_ros.commands.given_options import refuse_options
from spirl_ros.commands.rl_seeds import train_seeds
from spirl_ros.commands.run_origin import check_same_dataset, current_commit
from spirl_ros.errors import ConfigError, SpirlError

if TYPE_CHECKING:
    from spirl_ros.deployment.bundle import Bundle
    from spirl_ros.rl.config import RlTrainingConfig
    from spirl_ros.rl.evaluation import EvaluationSettings
    from spirl_ros.rl.run import SkillsReference


def add_parser(subparsers) -> None:
    """Add the command and its subcommands."""
    parser = subparsers.add_parser(
        "rl",
        help="learn a task from skills, and evaluate policies",
        description="Reinforcement learning over skills, and evaluation of what it learned.",
        epilog="example: spirl rl train --skills runs/skills --out runs/rl",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_train(commands)
    _add_eval(commands)
    rl_reproduce.add_parser(commands)


def _add_train(commands) -> None:
    parser = commands.add_parser(
        "train",
        help="learn a high-level policy for a task",
        description="Learn which skills solve a task, with prior-regularised SAC, in the task's simulator. "
        "Methods: spirl "
        "(skills and their prior), random-start (the same from a policy that knows nothing), ssp (skills without a "
        "prior), flat-prior, bc-sac and sac (single actions). Writes "
        "config.yaml, best.pt, checkpoint.pt, metrics.jsonl, the skills as a bundle and TensorBoard events to OUT. "
        "Ctrl-C saves a checkpoint; --resume continues from it with the numbers of an uninterrupted run.",
        epilog="example: spirl rl train --skills runs/skills --task kitchen --out runs/rl --seed 0",
    )
    parser.add_argument(
        "--skills", type=Path, metavar="RUN", help="folder of spirl skills train; --method sac needs none"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="where the skills' dataset is now, when it was moved")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of this run")
    parser.add_argument(
        "--preset",
        help="robust (default with skills that were trained so): in disturbed episodes; best (default otherwise): "
        "learns fastest; small: minutes, for a first try; sparse: one far reward, found by the prior; paper: as "
        "Pertsch et al.",
    )
    parser.add_argument(
        "--task", help="[FAMILY:]TASK, see spirl tasks, or target subtasks in order, with commas (default: kitchen)"
    )
    parser.add_argument("--method", help="spirl (default), random-start, ssp, flat-prior, bc-sac or sac")
    parser.add_argument("--seed", type=int, help="seed of weights, batches and episodes (default 0)")
    parser.add_argument("--seeds", metavar="N,N,…", help="several seeds, each in a folder of its own below OUT")
    parser.add_argument("--jobs", type=int, help="seeds that learn side by side (default 1)")
    parser.add_argument("--steps", type=int, help="control steps (default: the preset's); with --resume more of them")
    parser.add_argument(
        "--demos-in-replay",
        action=argparse.BooleanOptionalAction,
        help="learn from the demonstrations too (default: the preset's)",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="changes", help="change any other setting"
    )
    parser.add_argument("--resume", action="store_true", help="resume the run in OUT")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.set_defaults(run=run_train)


def run_train(parsed: argparse.Namespace) -> int:
    """Learn, with a progress bar, and print what came out."""
    from spirl_ros.commands.rl_progress import RlProgress
    from spirl_ros.rl.run import RlRun
    from spirl_ros.rl.train import train_policy
    from spirl_ros.rl.training import RlReport

    if parsed.seeds is not None:
        return train_seeds(parsed)
    refuse_options(parsed, ("jobs",), "--jobs is about several seeds, see --seeds")
    if parsed.resume:
        run = RlRun.open(parsed.out)
        _check_unchanged(run, parsed)
        if parsed.steps is not None:
            run.lengthen(parsed.steps)
    else:
        run = _create_run(parsed)
    has_learned = parsed.resume
    print("preparing the networks and what they learn from …", file=sys.stderr, flush=True)
    with RlProgress(run.config.training) as progress, _interrupts_noted() as interrupts:

        def show(report: RlReport) -> None:
            nonlocal has_learned
            has_learned = True
            progress.show(report)
            if interrupts:
                raise KeyboardInterrupt

        try:
            best = train_policy(run, show)
        except KeyboardInterrupt:
            progress.close()
            print(f"Interrupted at step {progress.step}. Everything is kept in {parsed.out}; --resume continues.")
            return INTERRUPTED
        except SpirlError:
            if not has_learned:  # refused: nothing is there to go on with, and the next try takes the same folder
                run.discard()
            raise
    evaluation = progress.evaluation
    figures = {"run": str(parsed.out), "steps": run.config.training.steps, "best_ordered_mean": best}
    if evaluation is not None:
        figures |= {"ordered_mean": evaluation.ordered_mean, "recent": evaluation.recent, "updates": evaluation.updates}
    print(f"learned in {parsed.out}; best evaluation {best:.2f} subtasks in order")
    print(f"next: spirl rl eval --run {parsed.out}")
    if parsed.json:
        print(json.dumps(figures))
    return 0


def _create_run(parsed: argparse.Namespace):
    from spirl_ros.rl.config import resolve
    from spirl_ros.rl.run import RlRun, RlRunConfig
    from spirl_ros.tasks.families import DEFAULT_FAMILY, family_names, full_task, split_task

    changes = ["demos_in_replay=false"] * (parsed.skills is None) + list(parsed.changes)
    if parsed.task is not None:
        family, _ = split_task(parsed.task)
        changes += [f"task={full_task(parsed.task)}", *[f"robot={family.name}"] * (family.name != DEFAULT_FAMILY)]
    for name in ("method", "seed", "steps"):
        if getattr(parsed, name) is not None:
            changes.append(f"{name}={getattr(parsed, name)}")
    if parsed.demos_in_replay is not None:
        changes.append(f"demos_in_replay={str(parsed.demos_in_replay).lower()}")
    learner, training = resolve(parsed.preset or _default_preset(parsed.skills), changes)
    if training.family is None:
        raise ConfigError(
            f"robot is '{training.robot}', but spirl rl train simulates task families "
            f"({', '.join(family_names())}). Learn on the arm, with the trainer node: docs/training_on_the_arm.md."
        )
    assert training.targets  # raises for a task that is unknown
    config = RlRunConfig(
        learner=learner,
        training=training,
        skills=_skills_reference(parsed, training),
        commit=current_commit(),
        command=shlex.join(["spirl", *sys.argv[1:]]),
    )
    return RlRun.create(parsed.out, config)


def _default_preset(skills: Path | None) -> str:
    """Of a policy with these skills: one that withstands disturbances needs skills that do."""
    from spirl_ros.skills.run import SkillRun

    return "robust" if skills is not None and SkillRun.open(skills).config.training.robust else "best"


def _skills_reference(parsed: argparse.Namespace, training: "RlTrainingConfig") -> "SkillsReference | None":
    """The skills to learn with; None for none, which only a method allows that needs nothing of demonstrations."""
    from spirl_ros.rl.config import METHODS
    from spirl_ros.rl.run import SkillsReference, weights_digest
    from spirl_ros.skills.run import SkillRun

    if parsed.skills is None:
        refuse_options(parsed, ("data",), "the dataset is that of the skills, and there are none without --skills")
        without = ", ".join(name for name, method in METHODS.items() if not method.needs_skills)
        if METHODS[training.method].needs_skills:
            raise ConfigError(
                f"--skills is missing, expected a folder of spirl skills train. Only --method {without} needs none."
            )
        if training.demos_in_replay:
            raise ConfigError(
                "demos_in_replay is true, but without --skills there are no demonstrations. Leave it out."
            )
        return None
    skills = SkillRun.open(parsed.skills)
    if METHODS[training.method].uses_skills and skills.config.model.prior_components > 1:
        raise ConfigError(f"{parsed.skills} has a prior of several Gaussians. Train skills with prior_components 1.")
    data = parsed.data or Path(skills.config.dataset.folder)
    check_same_dataset(skills, data)
    return SkillsReference(str(parsed.skills.absolute()), weights_digest(skills), str(data.absolute()))


def _check_unchanged(run, parsed: argparse.Namespace) -> None:
    """What decides the numbers cannot change in the middle."""
    given = ("skills", "data", "preset", "task", "method", "seed", "demos_in_replay")
    if parsed.changes or any(getattr(parsed, name) is not None for name in given):
        raise ConfigError(
            f"--resume uses {run.folder}/config.yaml. Leave other settings than --steps out, or start a new run."
        )


@contextmanager
def _interrupts_noted() -> Iterator[list[int]]:
    """Note Ctrl-C instead of stopping in the middle of a round; a second one stops at once."""
    noted: list[int] = []

    def note(number: int, frame) -> None:
        if noted:
            raise KeyboardInterrupt
        noted.append(number)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)


def _add_eval(commands) -> None:
    parser = commands.add_parser(
        "eval",
        help="evaluate a policy",
        description="Run episodes of a policy in its task's simulator, from its bundle, with the skill executor "
        "and the safety filter of the robot.",
        epilog="example: spirl rl eval --bundle models/kitchen --episodes 50 --seed 0 --json",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--bundle", type=Path, metavar="DIR", help="bundle with a policy")
    source.add_argument("--run", type=Path, metavar="DIR", dest="run_folder", help="folder of spirl rl train")
    parser.add_argument("--task", help="refuse a policy for another task (default: any)")
    parser.add_argument("--episodes", type=int, default=50, help="episodes (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first episode (default %(default)s)")
    parser.add_argument("--workers", type=int, help="threads of simulation (default 2)")
    parser.add_argument("--max-steps", type=int, metavar="N", help="control steps of an episode (default: the task's)")
    parser.add_argument(
        "--sampled", action="store_true", help="draw latents from the policy instead of taking its mean"
    )
    parser.add_argument(
        "--peer",
        "--franka-kitchen",
        action="store_true",
        dest="peer",
        help="in somebody else's simulator, without our environment, executor and safety filter (kitchen: "
        "gymnasium-robotics' FrankaKitchen-v1; maze: its PointMaze)",
    )
    parser.add_argument(
        "--disturb",
        metavar="NAME,…",
        help="the same episodes with sensors that err, late actions, another start or scene; all for a table of all "
        "that the task family has; a name that is none lists them",
    )
    parser.add_argument("--video", type=Path, metavar="FILE", help="write a film of the first episode, .gif or .mp4")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.set_defaults(run=run_eval)


def run_eval(parsed: argparse.Namespace) -> int:
    """Evaluate, and print the figures."""
    from spirl_ros.deployment.bundle import load_bundle
    from spirl_ros.deployment.bundle_file import find_bundle
    from spirl_ros.monitoring.film import check_film_path, write_film
    from spirl_ros.rl.episode_film import film_episode
    from spirl_ros.rl.evaluation import EvaluationSettings, evaluate_bundle

    if parsed.video is not None:
        if parsed.peer:
            raise ConfigError("--video films our simulator, leave --peer out.")
        if parsed.disturb is not None:
            raise ConfigError("--video films an undisturbed episode, leave --disturb out.")
        check_film_path(parsed.video)
    if parsed.peer:
        refuse_options(
            parsed, ("task", "workers", "max_steps"), "--peer runs the policy's own task in one thread, to its own end"
        )
    workers = 2 if parsed.workers is None else parsed.workers
    settings = EvaluationSettings(
        parsed.task, parsed.episodes, parsed.seed, workers, parsed.sampled, max_steps=parsed.max_steps
    )
    with tempfile.TemporaryDirectory() as folder:
        if parsed.bundle is not None:
            bundle = load_bundle(find_bundle(parsed.bundle, "--bundle"))
        else:
            from spirl_ros.rl.policy_bundle import exported_policy  # needs torch, which a bundle alone does not

            bundle = exported_policy(parsed.run_folder, Path(folder) / "bundle")
        evaluate = _peer_evaluation(bundle) if parsed.peer else evaluate_bundle
        if parsed.disturb is not None:
            return _evaluate_disturbed(parsed, lambda changed: evaluate(bundle, changed), settings, bundle)
        figures = evaluate(bundle, settings)
        if parsed.video is not None:
            backend = write_film(film_episode(bundle, settings), parsed.video)
            print(f"film of the first episode: {parsed.video}, drawn with {backend}")
    print(f"in order {figures['ordered_mean']:.2f} ± {figures['ordered_sem']:.2f} subtasks, ", end="")
    print(f"any order {figures['completed_subtasks_mean']:.2f} ± {figures['completed_subtasks_sem']:.2f}, ", end="")
    print(f"{figures['episodes']} episodes, {figures['action']} action, {figures['env_steps_per_s']:.0f} steps/s")
    for name, share in figures["per_subtask"].items():
        print(f"  {name:16s} {share:.2f}")
    if parsed.json:
        print(json.dumps(figures))
    return 0


def _evaluate_disturbed(
    parsed: argparse.Namespace,
    evaluate: "Callable[[EvaluationSettings], dict[str, Any]]",
    settings: "EvaluationSettings",
    bundle: "Bundle",
) -> int:
    """Print a row for each disturbance below one without, each as soon as it is there."""
    from spirl_ros.rl.evaluation import bundle_family
    from spirl_ros.tasks.disturbance import UNDISTURBED, chosen_disturbances

    chosen = chosen_disturbances(bundle_family(bundle), parsed.disturb)
    width = max(map(len, chosen))
    print(f"{'':{width}s}  in order     any order    with {'sampled' if settings.is_sampled else 'mean'} action")
    rows = {}
    for name, disturbance in chosen.items():
        rows[name] = figures = evaluate(replace(settings, disturbance=disturbance))
        in_order = f"{figures['ordered_mean']:.2f} ± {figures['ordered_sem']:.2f}"
        any_order = f"{figures['completed_subtasks_mean']:.2f} ± {figures['completed_subtasks_sem']:.2f}"
        about = f"{figures['episodes']} episodes" if name == UNDISTURBED else disturbance.about
        print(f"{name:{width}s}  {in_order}  {any_order}  {about}", flush=True)
    if parsed.json:
        print(json.dumps({"disturbances": rows}))
    return 0


def _peer_evaluation(bundle: "Bundle") -> "Callable[[Bundle, EvaluationSettings], dict[str, Any]]":
    from spirl_ros.rl.evaluation import bundle_family

    family = bundle_family(bundle)
    evaluate = family.peer_evaluation()
    if evaluate is None:
        raise ConfigError(f"--peer: nobody else simulates the {family.name}. Leave it out.")
    return evaluate
