"""`spirl demos import` and `export`: datasets in other programs' formats."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from spirl_ros.commands.left_out_fields import say_left_out_fields
from spirl_ros.control.observation_fields import PICTURE
from spirl_ros.errors import ConfigError
from spirl_ros.files.outside_text import printable

if TYPE_CHECKING:
    from spirl_ros.demonstrations.dataset import Dataset
    from spirl_ros.tasks.task import TaskFamily


def add_parsers(commands) -> None:
    """Add the commands to those of `spirl demos`."""
    _add_import(commands)
    _add_export(commands)


def _add_import(commands) -> None:
    parser = commands.add_parser(
        "import",
        help="make a dataset of other programs' demonstrations",
        description="Make a dataset of demonstrations. SOURCE is an HDF5 file of D4RL's kitchen family, a Minari "
        "dataset of FrankaKitchen-v1 (an id in Minari's local storage, such as D4RL/kitchen/mixed-v2, or a folder), "
        "a LeRobot dataset (a folder of format v2.0, v2.1 or v3.0), an HDF5 file of robomimic, a dataset of ours, or "
        "any number of recordings: bags, .mcap files and folders that contain them. Recordings of a real arm need "
        "--robot; only joint states, and pictures of cameras with --cameras, are read from them; from LeRobot and "
        "robomimic joint positions alone. A D4RL file lacks the observation "
        "after an episode's last action, so that one action is left out; Minari has it.",
        epilog="example: spirl demos import D4RL/kitchen/mixed-v2 --out data/human",
    )
    parser.add_argument("source", nargs="+", metavar="SOURCE", help="HDF5 file, folder, Minari id, or bags")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write the dataset to")
    parser.add_argument(
        "--keep-truncated", action="store_true", help="import the readable part of truncated or damaged bags"
    )
    parser.add_argument(
        "--only-successful", action="store_true", help="leave out recordings that were not finished as success"
    )
    parser.add_argument(
        "--skip-bad", action="store_true", help="leave out recordings that cannot be used, and print why"
    )
    parser.add_argument(
        "--robot",
        help="arm that was recorded, by name or by a file like config/robots/generic.yaml (default: the kitchen's)",
    )
    parser.add_argument(
        "--cameras",
        metavar="NAMES",
        help="cameras whose pictures are taken from recordings, separated by commas: NAME for camera/NAME/image_raw or "
        "camera/NAME/image_raw/compressed, NAME=TOPIC for another topic, all, or none (default: those that the task "
        "observes; none of an arm's)",
    )
    parser.add_argument(
        "--picture-size", metavar="WxH", help="resize an arm's pictures, such as 64x64 (default: as they are)"
    )
    parser.add_argument(
        "--max-picture-age",
        type=float,
        metavar="S",
        help="how much older than its observation a picture may be (default: 0.2, and 0 for a simulator's)",
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
    for note in (*dataset.origin.get("clocks", ()), *dataset.origin.get("pictures", ())):
        print(f"note: {note}")
    if cameras := dataset.origin.get("cameras_left_out"):
        names = printable(",".join(cameras), limit=200)
        print(f"left out: pictures of {names}. Take them with --cameras {names}.")
    print(f"{len(dataset.episodes)} episodes with {dataset.steps} steps in {parsed.out}\ndigest {digest}")
    if parsed.json:
        figures = {"path": str(parsed.out), "episodes": len(dataset.episodes), "steps": dataset.steps, "digest": digest}
        print(json.dumps(figures | {"left_out": left_out}))
    return 0


def _read(parsed: argparse.Namespace) -> "Dataset":
    from spirl_ros.recording.bag_metadata import find_bags

    paths = [Path(source) for source in parsed.source]
    choice = (parsed.task, parsed.keep_truncated, parsed.only_successful, parsed.skip_bad)
    of_pictures = (parsed.cameras, parsed.picture_size, parsed.max_picture_age)
    with_pictures = parsed.cameras != "none"
    if not find_bags(paths[0]) and of_pictures not in ((None, None, None), ("none", None, None)):
        raise ConfigError(
            f"{paths[0]} is no recording, and --cameras, --picture-size and --max-picture-age are for recordings. "
            "Leave them out; --cameras none imports a LeRobot dataset of ours without its pictures."
        )
    if parsed.robot is not None:
        from spirl_ros.arms.robot_configuration import find_robot
        from spirl_ros.demonstrations.sources import LEROBOT, ROBOMIMIC, find_source, read_source

        robot = find_robot(parsed.robot)
        if len(paths) == 1 and not find_bags(paths[0]) and find_source(parsed.source[0])[1] in (LEROBOT, ROBOMIMIC):
            return read_source(parsed.source[0], parsed.task, robot=robot, with_pictures=with_pictures)
        from spirl_ros.demonstrations.arm_recording import import_arm_recordings
        from spirl_ros.demonstrations.asked_pictures import asked_pictures

        return import_arm_recordings(paths, robot, *choice, asked_pictures(*of_pictures))
    if len(paths) > 1 or any(choice[1:]) or find_bags(paths[0]):
        from spirl_ros.demonstrations.asked_pictures import asked_pictures
        from spirl_ros.demonstrations.formats.bag_import import import_bags

        return import_bags(paths, *choice, asked_pictures(*of_pictures))
    from spirl_ros.demonstrations.sources import read_source

    return read_source(parsed.source[0], parsed.task, download=parsed.download, with_pictures=with_pictures)


def _add_export(commands) -> None:
    parser = commands.add_parser(
        "export",
        help="write a dataset in another format",
        description="Write a dataset in another format. d4rl: one HDF5 file in the kitchen family's schema, with "
        "next_observations and infos/executed_actions added. lerobot: a folder in LeRobot's dataset format v3.0, "
        "with pictures as video where PyAV is installed. bag: a folder of bags, one per episode, with pictures. "
        "Importing any of them gives the same dataset again, but for other fields beside the state: these are left "
        "out.",
        epilog="example: spirl demos export data/kitchen_mixed --format lerobot --out data/lerobot/kitchen_mixed",
    )
    parser.add_argument("source", metavar="DATASET", help="folder of the dataset")
    parser.add_argument("--format", required=True, help="lerobot, bag, or one of the task family's: d4rl")
    parser.add_argument("--out", type=Path, required=True, metavar="PATH", help="file or folder to write")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.set_defaults(run=run_export)


def run_export(parsed: argparse.Namespace) -> int:
    """Read and write."""
    from spirl_ros.demonstrations.sources import read_source
    from spirl_ros.tasks.families import family_of

    dataset = read_source(parsed.source)
    if parsed.format == "bag":
        from spirl_ros.demonstrations.formats.bag_export import write_bags as write
    elif parsed.format == "lerobot":
        from spirl_ros.demonstrations.formats.lerobot import write_lerobot as write
    else:
        write = _family_writer(family_of(dataset.task), parsed.format)
    write(parsed.out, dataset)
    holds, but_for = ("pictures", PICTURE) if parsed.format in ("bag", "lerobot") else ("nothing", "")
    left_out = say_left_out_fields(
        dataset, f"what --format {parsed.format} writes holds {holds} beside the state", but_for
    )
    if parsed.format == "lerobot":
        _say_how_pictures_are_written(dataset)
    print(f"{len(dataset.episodes)} episodes with {dataset.steps} steps in {parsed.out}")
    if parsed.json:
        figures = {"path": str(parsed.out), "episodes": len(dataset.episodes), "steps": dataset.steps}
        print(json.dumps(figures | {"left_out_fields": left_out}))
    return 0


def _say_how_pictures_are_written(dataset: "Dataset") -> None:
    from spirl_ros.demonstrations.formats.lerobot_video import INSTALL_VIDEO, has_video

    if any(one.dtype == PICTURE for one in dataset.episodes[0].metadata.more_fields) and not has_video():
        print(f"note: pictures are PNG files in the frames; video needs PyAV: {INSTALL_VIDEO}.", file=sys.stderr)


def _family_writer(family: "TaskFamily", name: str) -> Callable[[Path, "Dataset"], None]:
    writers = {one: found.write for one, found in family.formats().items() if found.write is not None}
    if name not in writers:
        raise ConfigError(f"--format is '{name}', expected one of {', '.join((*writers, 'lerobot', 'bag'))}.")
    return writers[name]
