"""`spirl bench`: our speed beside our peers', in one interleaved run."""

import argparse
import json
from pathlib import Path


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "bench",
        help="measure speed beside peers",
        description="Measure speed beside peers, in turn (A B A B), and print medians, quartiles and ratios.",
        epilog="example: spirl bench env --rounds 100",
    )
    parser.add_argument(
        "what",
        choices=list(_BENCHMARKS),
        help="env: kitchen steps per second beside FrankaKitchen-v1; skills: time to decode an action or a skill beside "
        "the official decoder in torch, and start and memory of a robot process, and training steps; recorder: what it costs over 60 s, and "
        "what kill -9 takes with it, ten times or ROUNDS times if that is less; rl: updates per second beside the "
        "official one's, on one thread and on two; control: timing, lockstep rate, processor time and reaction times "
        "of the executor over ROS; policy: the graph in lockstep compared with the rollout in process, and in real time, "
        "ten episodes each or ROUNDS if that is less; windows: training windows per second and memory of the dataset DATA",
    )
    parser.add_argument("--rounds", type=int, default=100, help="counted rounds (default %(default)s)")
    parser.add_argument(
        "--bundle",
        type=Path,
        metavar="DIR",
        help="skills: measure this bundle, too; control, policy: with this one (default models/kitchen)",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="windows: draw from this dataset")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Run the benchmark and print its table."""
    figures = _BENCHMARKS[parsed.what](parsed, max(2, parsed.rounds))
    if parsed.json:
        print(json.dumps(figures))
    return 0


def _environment(parsed: argparse.Namespace, rounds: int) -> dict[str, object]:
    from spirl_ros.benchmarks.environment import compare_environments

    comparison = compare_environments(rounds=rounds)
    print(comparison.table())
    return comparison.as_dict()


def _skills(parsed: argparse.Namespace, rounds: int) -> dict[str, object]:
    from dataclasses import asdict

    from spirl_ros.benchmarks.skill_inference import compare_decoders
    from spirl_ros.benchmarks.skill_training import compare_training

    comparison, process = compare_decoders(rounds, parsed.bundle)
    print(comparison.table())
    print(process.line())
    training = compare_training(rounds)
    print(f"\n{training.table()}")
    return {**comparison.as_dict(), "robot_process": asdict(process), "training": training.as_dict()}


def _recorder(parsed: argparse.Namespace, rounds: int) -> dict[str, object]:
    from spirl_ros.benchmarks.recorder import measure_recorder

    figures = measure_recorder(duration_s=60.0, kills=min(rounds, 10))
    print(figures.table())
    return figures.as_dict()


def _rl(parsed: argparse.Namespace, rounds: int) -> dict[str, object]:
    from spirl_ros.benchmarks.rl_update import compare_updates

    figures: dict[str, object] = {}
    for threads in (1, 2):
        comparison = compare_updates(rounds, threads)
        print(comparison.table() + "\n")
        figures[f"threads_{threads}"] = comparison.as_dict()
    return figures


def _control(parsed: argparse.Namespace, rounds: int) -> dict[str, object]:
    from spirl_ros.benchmarks.control import measure_control
    from spirl_ros.shipped import shipped

    figures = measure_control(parsed.bundle or shipped("models/kitchen"), rounds)
    print(figures.table())
    return figures.as_dict()


def _policy(parsed: argparse.Namespace, rounds: int) -> dict[str, object]:
    from spirl_ros.benchmarks.policy import measure_policy
    from spirl_ros.shipped import shipped

    figures = measure_policy(parsed.bundle or shipped("models/kitchen"), min(rounds, 10))
    print(figures.table())
    return figures.as_dict()


def _windows(parsed: argparse.Namespace, rounds: int) -> dict[str, object]:
    from spirl_ros.benchmarks.training_windows import measure_windows
    from spirl_ros.errors import ConfigError

    if parsed.data is None:
        raise ConfigError("--data is missing, expected the folder of a dataset. `spirl demos collect` makes one.")
    figures = measure_windows(parsed.data, rounds)
    print(figures.table())
    return figures.as_dict()


_BENCHMARKS = {
    "env": _environment,
    "skills": _skills,
    "recorder": _recorder,
    "rl": _rl,
    "control": _control,
    "policy": _policy,
    "windows": _windows,
}
