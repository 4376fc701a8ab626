"""`spirl demos import` and `export`: datasets in other programs' formats."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spirl_ros.demonstrations.dataset import Dataset


def add_parsers(commands) -> None:
    """Add the commands to those of `spirl demos`."""
    _add_import(commands)
    _add_export(commands)


def _add_import(commands) -> None:
    parser = commands.add_parser(
        "import",
        help="turn other programs' demonstrations into a dataset",
        description="Turn demonstrations into a dataset. SOURCE is an HDF5 file of D4RL's kitchen family, a Minari "
        "dataset of FrankaKitchen-v1 (an id in Minari's local storage, such as D4RL/kitchen/mixed-v2, or a folder), "
        "a LeRobot dataset (a folder of format v2.0, v2.1 or v3.0), an HDF5 file of robomimic, a dataset of ours, or "
        "recordings: bags, .mcap files and folders in which they are, as many as you like. Those of a real arm need --robot; "
        "its joint states are all that is read, and so it is with LeRobot and robomimic. A D4RL file lacks the observation "
        "after an episode's last action, "
        "so that one action is left out; Minari has it.",
        epilog="example: spirl demos import D4RL/kitchen/mixed-v2 --out data/human",
    )
    parser.add_argument("source", nargs="+", metavar="SOURCE", help="HDF5 file, folder, Minari id, or bags")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder that the dataset becomes")
    parser.add_argument(
        "--keep-truncated", action="store_true", help="take what is whole of bags that are truncated or damaged"
    )
    parser.add_argument(
        "--only-successful", action="store_true", help="leave out recordings that were not finished as success"
    )
    parser.add_argument(
        "--skip-bad", action="store_true", help="leave out recordings that cannot be used, and say why of each"
    )
    parser.add_argument(
        "--robot",
        help="arm that was recorded, by name or by a file like config/robots/generic.yaml (default: the kitchen's)",
    )
    parser.add_argument("--task", help="task of the dataset (default: what a recording says, else kitchen)")
    parser.add_argument(
        "--download", action="store_true", help="let minari fetch an id that is not in its local storage"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.set_defaults(run=run_import)


def run_import(parsed: argparse.Namespace) -> int:
    """Read, write, and print the digest."""
    from spirl_ros.demonstrations.storage import write_dataset

    dataset = _read(parsed)
    digest = write_dataset(parsed.out, dataset)
    left_out = dataset.origin.get("left_out", []) if parsed.skip_bad else []
    for reason in left_out:
        print(f"left out: {reason}")
    for note in dataset.origin.get("clocks", ()):
        print(f"note: {note}")
    print(f"{len(dataset.episodes)} episodes with {dataset.steps} steps in {parsed.out}\ndigest {digest}")
    if parsed.json:
        figures = {"path": str(parsed.out), "episodes": len(dataset.episodes), "steps": dataset.steps, "digest": digest}
        print(json.dumps(figures | {"left_out": left_out}))
    return 0


def _read(parsed: argparse.Namespace) -> "Dataset":
    from spirl_ros.recording.bag_metadata import find_bags

    paths = [Path(source) for source in parsed.source]
    choice = (parsed.task, parsed.keep_truncated, parsed.only_successful, parsed.skip_bad)
    if parsed.robot is not None:
        from spirl_ros.arms.robot_configuration import find_robot
        from spirl_ros.demonstrations.sources import LEROBOT, ROBOMIMIC, find_source, read_source

        robot = find_robot(parsed.robot)
        if len(paths) == 1 and not find_bags(paths[0]) and find_source(parsed.source[0])[1] in (LEROBOT, ROBOMIMIC):
            return read_source(parsed.source[0], parsed.task, robot=robot)
        from spirl_ros.demonstrations.arm_recording import import_arm_recordings

        return import_arm_recordings(paths, robot, *choice)
    if len(paths) > 1 or any(choice[1:]) or find_bags(paths[0]):
        from spirl_ros.demonstrations.bag_import import import_bags

        return import_bags(paths, *choice)
    from spirl_ros.demonstrations.sources import read_source

    return read_source(parsed.source[0], parsed.task, download=parsed.download)


def _add_export(commands) -> None:
    parser = commands.add_parser(
        "export",
        help="write a dataset in another format",
        description="Write a dataset in another format. d4rl: one HDF5 file in the kitchen family's schema, with "
        "next_observations and infos/executed_actions besides. lerobot: a folder in LeRobot's dataset format v3.0. Of both, "
        "import gives the same dataset again. bag: a folder of bags, one per episode.",
        epilog="example: spirl demos export data/kitchen_mixed --format lerobot --out data/lerobot/kitchen_mixed",
    )
    parser.add_argument("source", metavar="DATASET", help="folder of the dataset")
    parser.add_argument("--format", required=True, choices=["d4rl", "lerobot", "bag"], help="what to write")
    parser.add_argument("--out", type=Path, required=True, metavar="PATH", help="file or folder to write")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.set_defaults(run=run_export)


def run_export(parsed: argparse.Namespace) -> int:
    """Read and write."""
    from spirl_ros.demonstrations.sources import read_source

    if parsed.format == "d4rl":
        from spirl_ros.demonstrations.d4rl import write_d4rl as write
    elif parsed.format == "bag":
        from spirl_ros.demonstrations.bag_export import write_bags as write
    else:
        from spirl_ros.demonstrations.lerobot import write_lerobot as write

    dataset = read_source(parsed.source)
    write(parsed.out, dataset)
    print(f"{len(dataset.episodes)} episodes with {dataset.steps} steps in {parsed.out}")
    if parsed.json:
        print(json.dumps({"path": str(parsed.out), "episodes": len(dataset.episodes), "steps": dataset.steps}))
    return 0
