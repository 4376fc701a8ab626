"""`spirl demos replay`: carry out recorded actions again in the simulator."""

import argparse
import json
from dataclasses import asdict

from spirl_ros.commands.left_out_fields import say_left_out_fields
from spirl_ros.errors import ConfigError

DEFAULT_EPISODES = 20


def add_parser(commands) -> None:
    """Add the command to those of `spirl demos`."""
    parser = commands.add_parser(
        "replay",
        help="replay episodes in the simulator and report the drift",
        description="Start the simulator where each episode started, carry out its actions, and report how far "
        "joints, scene and tool drift from the recording and which subtasks are completed again. An episode that was "
        "simulated with the same version of mujoco is repeated exactly, from its seed. Every other one starts from its "
        "first observation, with the noise in it, gets the joint commands that were sent, and drifts a little; "
        "data of D4RL drift more, because they come from other physics.",
        epilog="example: spirl demos replay data/kitchen_mixed --episodes 20",
    )
    parser.add_argument("source", metavar="DATASET", help="folder, D4RL file, or id in Minari's local storage")
    parser.add_argument(
        "--episodes",
        type=int,
        default=DEFAULT_EPISODES,
        help="how many, spread over the dataset (default %(default)s)",
    )
    parser.add_argument("--task", help="task that the dataset must be of (default: whatever it is of)")
    parser.add_argument(
        "--actions",
        default="auto",
        help="executed, with injected noise; intended; commands, what the executed actions meant at the recorded "
        "positions; "
        "or auto: executed where that repeats the recording from its seed, else commands (default %(default)s)",
    )
    parser.add_argument(
        "--from-observation", action="store_true", help="start from the first observation even where the seed is known"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.set_defaults(run=run_replay)


def run_replay(parsed: argparse.Namespace) -> int:
    """Replay, with a line per episode, and print the summary."""
    from spirl_ros.demonstrations.replay import EXPECTED_DRIFT, EpisodeReplayer, replay_summary, spread_episodes
    from spirl_ros.demonstrations.sources import read_source
    from spirl_ros.tasks.families import family_of

    if parsed.episodes < 1:
        raise ConfigError(f"--episodes is {parsed.episodes}, expected at least 1.")
    dataset = read_source(parsed.source, parsed.task, only_simulated=True)
    say_left_out_fields(dataset, "a replay is compared by its states")
    replayer = EpisodeReplayer(family_of(dataset.task), parsed.actions, parsed.from_observation)
    replays = []
    print("episode  steps  start        joints max, final   scene max, final    tool mm max, final  subtasks")
    for index in spread_episodes(dataset, parsed.episodes):
        one = replayer.replay(dataset.episodes[index], index)
        replays.append(one)
        drifts = "  ".join(
            f"{drift.max:8.2g}, {drift.final:<8.2g}" if drift else f"{'-':>8}, {'-':<8}"
            for drift in (one.joint_drift, one.scene_drift, one.tool_error_mm)
        )
        subtasks = f"{len(one.recorded) - len(one.lost)} of {len(one.recorded)}"
        subtasks += f", lost {', '.join(one.lost)}" * bool(one.lost) + f", new {', '.join(one.gained)}" * bool(
            one.gained
        )
        print(f"{index:7}  {one.steps:5}  {one.start:<11}  {drifts}  {subtasks}", flush=True)
    figures = replay_summary(replays)
    error_mm = figures.get("tool_error_mm_max_median")
    tool = "" if error_mm is None else f"; tool error {error_mm:.3g} mm at most in the median episode"
    print(
        f"{figures['replayed']} episodes, {figures['started_from_seed']} from their seed: the same subtasks in "
        f"{figures['same_subtasks']}; {figures['subtasks_repeated']} of {figures['subtasks_recorded']} "
        f"subtasks again{tool}"
    )
    if figures["started_from_seed"] < figures["replayed"]:
        print(EXPECTED_DRIFT)
    if parsed.json:
        details = [{**asdict(one), "lost": one.lost, "gained": one.gained} for one in replays]
        print(json.dumps({"path": parsed.source, "actions": parsed.actions, **figures, "episodes": details}))
    return 0
