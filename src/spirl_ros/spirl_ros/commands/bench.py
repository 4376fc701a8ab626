"""`spirl bench`: our speed beside our peers', in one interleaved run."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from spirl_ros.commands.exit_codes import BAD_INPUT
from spirl_ros.commands.ros_installed import require_ros
from spirl_ros.errors import ConfigError, explain

if TYPE_CHECKING:
    from benchmarks.figures import Figures
    from benchmarks.official_spirl import OfficialSpirl

Found = Iterator[tuple[str, "Figures"]]
"""Results one after the other, each under its name."""


def add_parser(subparsers) -> None:
    """Add the command."""
    listing = "\n".join(f"  {name:9} {measure.__doc__}" for name, measure in _BENCHMARKS.items())
    parser = subparsers.add_parser(
        "bench",
        help="measure speed beside peers",
        description="Measure speed beside peers, in turn (A B A B), and print medians, quartiles and ratios, with "
        "versions, "
        "threads and the machine's load before and after. Peers that are not installed are left out and named; "
        "pip install 'spirl_ros[bench]' brings them. Works only in a checkout.\n\n" + listing,
        epilog="example: spirl bench env --rounds 100\n"
        "example: spirl bench all --rounds 40 --official ~/spirl --markdown docs/benchmarks.md",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=[*_BENCHMARKS, "all"], help="what to measure; all: one after the other")
    parser.add_argument(
        "--rounds", type=int, default=100, help="counted rounds (default %(default)s); what takes long takes fewer"
    )
    parser.add_argument(
        "--workers", type=int, metavar="N", help="threads and processes at most (default: those of this machine)"
    )
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="recorder, monitor: how long to measure (default %(default)g)"
    )
    parser.add_argument(
        "--episodes", type=int, default=20, metavar="N", help="soak: how many to run (default %(default)s)"
    )
    parser.add_argument(
        "--rate",
        choices=("realtime", "lockstep"),
        default="realtime",
        help="soak: in real time, an episode in about 20 s, or as fast as it goes (default %(default)s)",
    )
    parser.add_argument(
        "--bundle",
        type=Path,
        metavar="DIR",
        help="skills: measure this bundle, too; control, policy, monitor, soak: with this one (default models/kitchen)",
    )
    parser.add_argument(
        "--skills", type=Path, metavar="DIR", help="trainer: learn with these, a folder of spirl skills train"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="demos: draw windows from this dataset, too")
    parser.add_argument(
        "--official",
        type=Path,
        metavar="DIR",
        help="skills, rl: your checkout of the official code (clvrai/spirl), to measure it beside ours",
    )
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="put the tables between their marks in this page, too"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Run benchmarks and print their tables as they come."""
    _find_benchmarks()
    from benchmarks.figures import write_into_page
    from benchmarks.machine import Machine, machine_line

    if parsed.rounds < 2:
        raise ConfigError(f"--rounds is {parsed.rounds}, expected at least 2.")
    if parsed.workers is None:
        parsed.workers = os.cpu_count() or 1
    if parsed.workers < 1:
        raise ConfigError(f"--workers is {parsed.workers}, expected at least 1.")
    if not 1.0 <= parsed.seconds <= 3600.0:
        raise ConfigError(f"--seconds is {parsed.seconds}, expected 1 to 3600.")
    if parsed.episodes < 1:
        raise ConfigError(f"--episodes is {parsed.episodes}, expected at least 1.")
    official_code(parsed)  # a wrong folder is told before anything is measured
    names = list(_BENCHMARKS) if parsed.what == "all" else [parsed.what]
    figures: dict[str, dict[str, object]] = {}
    left_out: dict[str, str] = {}
    print(f"before: {machine_line(Machine().so_far())}", flush=True)
    for name in names:
        figures[name], tables = {}, []
        try:
            for title, found in _BENCHMARKS[name](parsed):
                print(f"\n{title}\n\n{found.table()}", flush=True)
                tables.append(f"**{title}**\n\n{found.table()}")
                figures[name][title] = found.as_dict()
        except Exception as error:
            explanation = explain(error)
            if explanation is None or parsed.what != "all":
                raise
            left_out[name] = explanation
            print(f"left out of {name}: {explanation}", file=sys.stderr, flush=True)
        if parsed.markdown is not None and tables:
            write_into_page(parsed.markdown, {f"spirl bench {name}": "\n\n".join(tables)})
    if parsed.json:
        print(json.dumps({**figures, "left_out": left_out}))
    return BAD_INPUT if left_out else 0


def _find_benchmarks() -> None:
    """Have `benchmarks` imported from the checkout that this file lies in: an installed package goes without."""
    root = Path(__file__).resolve().parents[4]
    if not (root / "benchmarks" / "figures.py").is_file():
        raise ConfigError(
            f"spirl bench needs the folder benchmarks/ of a checkout, but this spirl_ros is installed in {root}. "
            "Clone the "
            "repository, run `make setup EXTRAS='sim train bench'` in it, then `.venv/bin/spirl-env spirl bench`."
        )
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))


def official_code(parsed: argparse.Namespace) -> "OfficialSpirl | None":
    """The official code, when its folder is given."""
    if parsed.official is None:
        return None
    from benchmarks.official_spirl import OfficialSpirl

    return OfficialSpirl(parsed.official)


def _environment(parsed: argparse.Namespace) -> Found:
    """Kitchen steps per second beside FrankaKitchen-v1, and how they grow with threads."""
    from benchmarks.environment import compare_environments

    yield "environment steps", compare_environments(parsed.rounds, parsed.workers)


def _demonstrations(parsed: argparse.Namespace) -> Found:
    """Collecting by workers, reading beside Minari, drawing windows beside torch's DataLoader, by size; pictures."""
    from benchmarks.demonstrations import compare_collection, compare_reading, compare_windows
    from benchmarks.environment import worker_counts
    from benchmarks.picture_windows import measure_pictures

    if parsed.data is not None:  # first, while this process is small: its memory is part of the result
        from benchmarks.training_windows import measure_windows

        yield f"windows of {parsed.data.name}", measure_windows(parsed.data, parsed.rounds)
    yield "collection by worker processes", compare_collection(min(parsed.rounds, 5), worker_counts(parsed.workers))
    yield from _where_installed("reading a dataset", "minari", lambda: compare_reading(parsed.rounds))
    yield "drawing windows, by episodes", compare_windows(parsed.rounds)
    yield "windows with a picture", measure_pictures(parsed.rounds)


def _skills(parsed: argparse.Namespace) -> Found:
    """Decoding beside the official decoder in torch, start and memory of a robot process, training steps."""
    from benchmarks.skill_inference import compare_decoders
    from benchmarks.skill_training import compare_training

    official = official_code(parsed)
    decoders, process = compare_decoders(parsed.rounds, parsed.bundle, official)
    yield "decoding one action", decoders
    yield "a robot's process", process
    yield "training the skill model", compare_training(parsed.rounds, official)


def _rl(parsed: argparse.Namespace) -> Found:
    """Updates beside the official ones and stable-baselines3's, by threads; batches drawn, by size of the replay."""
    from benchmarks.environment import worker_counts
    from benchmarks.rl_update import compare_replays, compare_updates

    official = official_code(parsed)
    for threads in worker_counts(parsed.workers):
        yield f"updates, {threads} thread{'s' * (threads > 1)}", compare_updates(parsed.rounds, threads, official)
    yield "batches drawn, by transitions in the replay", compare_replays(parsed.rounds)


def _recorder(parsed: argparse.Namespace) -> Found:
    """What recording costs, what kill -9 takes with it (at most ten times), and messages written beside rosbags."""
    from benchmarks.recorder import compare_topics, measure_recorder

    yield from _where_installed("messages written, by topics", "rosbags", lambda: compare_topics(parsed.rounds))
    require_ros()
    yield "the recorder", measure_recorder(duration_s=parsed.seconds, kills=min(parsed.rounds, 10))


def _control(parsed: argparse.Namespace) -> Found:
    """Timing, lockstep rate, processor and reaction times of the executor over ROS, and a disturbed arm."""
    from benchmarks.control import measure_control
    from spirl_ros.shipped import shipped

    require_ros()
    yield "control over ROS", measure_control(parsed.bundle or shipped("models/kitchen"), parsed.rounds)

    def measure_disturbed():
        from benchmarks.disturbed_arm import measure_disturbed_arm

        return measure_disturbed_arm(min(parsed.rounds, 20))

    yield from _where_installed("a disturbed arm", "onnx", measure_disturbed)


def _policy(parsed: argparse.Namespace) -> Found:
    """The graph in lockstep compared with the rollout in process, and in real time (at most ten episodes each)."""
    from benchmarks.policy import measure_policy
    from spirl_ros.shipped import shipped

    require_ros()
    yield "policy over ROS", measure_policy(parsed.bundle or shipped("models/kitchen"), min(parsed.rounds, 10))


def _monitor(parsed: argparse.Namespace) -> Found:
    """What the web page costs without a viewer and, where Chromium is, with one, and how often it updates the scene."""
    from benchmarks.monitor import measure_monitor
    from spirl_ros.shipped import shipped

    require_ros()
    yield "the web page", measure_monitor(parsed.bundle or shipped("models/kitchen"), parsed.seconds)


def _soak(parsed: argparse.Namespace) -> Found:
    """Memory, descriptors and threads of every node of an endless run, and how they grow with its episodes."""
    from benchmarks.soak import measure_soak

    require_ros()
    yield "a long run", measure_soak(str(parsed.bundle or "kitchen"), parsed.rate, parsed.episodes)


def _trainer(parsed: argparse.Namespace) -> Found:
    """Learning over ROS beside the environment alone, and what kill -9 costs, at most ten times (needs --skills)."""
    if parsed.skills is None:
        if parsed.what == "all":
            print("\ntraining over ROS: left out, it needs --skills", flush=True)
            return
        raise ConfigError("--skills is missing, expected a folder of spirl skills train.")
    from benchmarks.trainer import measure_trainer

    require_ros()
    yield "training over ROS", measure_trainer(parsed.skills, episodes=5, kills=min(parsed.rounds, 10))


def _where_installed(title: str, peer: str, measure: Callable[[], "Figures"]) -> Found:
    """Leave a comparison out, and say so, where its peer is not installed."""
    try:
        yield title, measure()
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != peer:
            raise
        print(f"\n{title}: left out, {peer} is not installed. Get it: pip install {peer}", flush=True)


_BENCHMARKS: dict[str, Callable[[argparse.Namespace], Found]] = {
    "env": _environment,
    "demos": _demonstrations,
    "skills": _skills,
    "rl": _rl,
    "recorder": _recorder,
    "control": _control,
    "policy": _policy,
    "monitor": _monitor,
    "soak": _soak,
    "trainer": _trainer,
}
