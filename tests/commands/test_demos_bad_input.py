"""What each command makes of bad input: exit code 2, one line that names the file, and nothing changed or left
behind."""

import json
import re
from dataclasses import replace

import h5py
import numpy as np
import pytest

from spirl_ros.commands.main import main
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.episode import EpisodeMetadata
from spirl_ros.demonstrations.layout import robot_metadata
from spirl_ros.demonstrations.storage import read_dataset, write_dataset
from spirl_ros.errors import ConfigError, DatasetError
from spirl_ros.kitchen.family import KITCHEN
from tests.demonstrations.small_dataset import make_episode


@pytest.fixture
def folder(tmp_path):
    metadata = replace(robot_metadata(KITCHEN.robot), operator="scripted", seed=3)
    write_dataset(tmp_path / "data", Dataset((make_episode(40, 0, metadata), make_episode(30, 1, metadata)), "kitchen"))
    return tmp_path / "data"


def truncate(folder):
    path = folder / "main_data.hdf5"
    path.write_bytes(path.read_bytes()[:-2000])


def drop_a_channel(folder):
    with h5py.File(folder / "main_data.hdf5", "a") as file:
        values = np.asarray(file["episode_0/observations"])
        del file["episode_0/observations"]
        file["episode_0/observations"] = values[:, :-1]


def put_nan(folder):
    with h5py.File(folder / "main_data.hdf5", "a") as file:
        file["episode_1/observations"][7, 22] = np.nan  # pyright: ignore


def rename_a_joint(folder):
    with h5py.File(folder / "main_data.hdf5", "a") as file:
        attributes = file["episode_1"].attrs
        names = [str(name) for name in attributes["joint_names"]]  # pyright: ignore
        attributes["joint_names"] = np.array(["elbow", *names[1:]], dtype=h5py.string_dtype())


def change_the_rate(folder):
    with h5py.File(folder / "main_data.hdf5", "a") as file:
        file["episode_1"].attrs["control_rate_hz"] = 100.0


def change_a_number(folder):
    with h5py.File(folder / "main_data.hdf5", "a") as file:
        file["episode_0/actions"][0, 0] = 0.123  # pyright: ignore


def make_it_another_task(folder):
    path = folder / "metadata.json"
    metadata = json.loads(path.read_text())
    metadata["spirl"]["task"] = "slide_cabinet,kettle"
    path.write_text(json.dumps(metadata))


def make_it_no_dataset(folder):
    for path in folder.iterdir():
        path.unlink()
    (folder / "holiday.png").write_bytes(b"\x89PNG")


DAMAGES = [
    (truncate, r"main_data.hdf5 cannot be read: .*Expected a complete HDF5 file"),
    (drop_a_channel, r"main_data.hdf5: episode_0: observations has shape \(41, 29\), expected \(41, 30\)"),
    (put_nan, r"main_data.hdf5: episode_1: observations is nan at \(7, 22\), expected finite"),
    (rename_a_joint, r"main_data.hdf5: joint_names of episode 1 is \('elbow', .*but of episode 0 \('panda0_joint1'"),
    (change_the_rate, r"main_data.hdf5: control_rate_hz of episode 1 is 100.0, but of episode 0 12.5"),
    (change_a_number, r"main_data.hdf5: the digest is \w+, but \w+ was stored"),
    (make_it_no_dataset, r"data is not a dataset: there is no .*metadata.json. Expected a folder with main_data.hdf5"),
]
COMMANDS = [
    ["info"],
    ["import", "--out", "OUT"],
    ["export", "--format", "d4rl", "--out", "OUT"],
    ["export", "--format", "lerobot", "--out", "OUT"],
    ["replay"],
    ["plot", "--out", "OUT"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: "_".join(command[:3:2]))
@pytest.mark.parametrize(("damage", "message"), DAMAGES, ids=lambda value: getattr(value, "__name__", ""))
def test_damaged_dataset_is_named_and_left_as_it_is(folder, tmp_path, capsys, damage, message, command):
    if "lerobot" in command:
        pytest.importorskip("pyarrow")
    if "plot" in command:
        pytest.importorskip("matplotlib")
    damage(folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    name, *options = command
    assert main(["demos", name, str(folder), *[str(tmp_path / "out") if o == "OUT" else o for o in options]]) == 2
    error = capsys.readouterr().err
    assert re.fullmatch(rf"error: {tmp_path}/data.*\n", error) and re.search(message, error), error
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize("command", [["replay"], ["import", "--out", "OUT"]], ids=["replay", "import"])
def test_dataset_of_another_task_than_asked_for_is_refused(folder, tmp_path, capsys, command):
    """Without --task it is taken as what it is: it had to be given, although the dataset knows it."""
    make_it_another_task(folder)
    name, *options = command
    run = ["demos", name, str(folder), *[str(tmp_path / "out") if o == "OUT" else o for o in options]]
    assert main([*run, "--task", "kitchen"]) == 2
    assert capsys.readouterr().err == (
        f"error: {folder} was made for the task 'slide_cabinet,kettle', not for 'kitchen'. "
        "Choose a dataset of that task, or ask for 'slide_cabinet,kettle'.\n"
    )
    assert not (tmp_path / "out").exists()
    assert main(run) == 0
    if name == "import":
        assert read_dataset(tmp_path / "out").task == "slide_cabinet,kettle"


@pytest.fixture
def arm_folder(tmp_path):
    """As `import --robot ur5e` makes it of an arm with two joints."""
    names = ("shoulder_pan_joint", "elbow_joint")
    metadata = EpisodeMetadata((), "ann", 20.0, names, names, ("rad", "rad"), 1.0)
    write_dataset(tmp_path / "arm", Dataset((make_episode(40, 0, metadata),), "press", {"robot": "ur5e"}))
    return tmp_path / "arm"


ONLY_FOR_THE_KITCHEN = [
    (["export", "--format", "d4rl", "--out", "OUT"], r"D4RL's schema .* Export with --format lerobot"),
    (["export", "--format", "bag", "--out", "OUT"], r"bags of the kitchen .* Export with --format lerobot"),
    (["replay"], r"There are simulators of: kitchen, maze. Choose a dataset of one, or .*docs/real_arms.md"),
    (["replay", "--task", "press"], r"There are simulators of: kitchen, maze. Choose a dataset"),
]


@pytest.mark.parametrize(("command", "advice"), ONLY_FOR_THE_KITCHEN, ids=lambda value: "_".join(value[:3:2]))
def test_dataset_of_an_arm_is_named_where_only_the_kitchen_will_do(arm_folder, tmp_path, capsys, command, advice):
    """Replay asked for task 'press' and, given that, said that there is no such task; exports did not name the
    dataset."""
    name, *options = command
    out = str(tmp_path / "out")
    assert main(["demos", name, str(arm_folder), *[out if o == "OUT" else o for o in options]]) == 2
    error = capsys.readouterr().err
    assert re.fullmatch(
        rf"error: {arm_folder} was recorded on ur5e: observation_names is shoulder_pan_joint, elbow_joint, "
        rf"but the simulated kitchen has panda0_joint1, .*\. .*{advice}.*\n",
        error,
    ), error
    assert [path.name for path in tmp_path.iterdir()] == ["arm"]


def test_what_is_advised_for_a_dataset_of_an_arm_works(arm_folder, tmp_path, capsys):
    pytest.importorskip("pyarrow")
    assert main(["demos", "export", str(arm_folder), "--format", "lerobot", "--out", str(tmp_path / "lerobot")]) == 0
    assert main(["demos", "import", str(arm_folder), "--out", str(tmp_path / "copy")]) == 0
    assert read_dataset(tmp_path / "copy").task == "press"


def test_of_an_arm_some_pictures_are_drawn_and_the_others_are_named(arm_folder, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    plots = tmp_path / "plots"
    assert main(["demos", "plot", str(arm_folder), "--out", str(plots)]) == 0
    printed = capsys.readouterr()
    assert printed.out.split() == [f"{plots}/episode_lengths.png", f"{plots}/actions.png"]
    assert printed.err == (
        f"left out: subtasks, tool_paths. Only task families have them; {arm_folder} is of another robot.\n"
    )


def test_refused_bag_keeps_its_bytes(folder, tmp_path, capsys):
    pytest.importorskip("spirl_msgs", reason="definitions of our messages come from the workspace: make setup")
    bags = tmp_path / "bags"
    assert main(["demos", "export", str(folder), "--format", "bag", "--out", str(bags)]) == 0
    capsys.readouterr()
    bad = bags / "episode_000002" / "episode_000002_0.mcap"
    bad.write_bytes(bad.read_bytes()[:-100])
    before = {path: path.read_bytes() for path in bags.rglob("*") if path.is_file()}
    assert main(["demos", "import", str(bags), "--out", str(tmp_path / "out")]) == 2
    assert re.fullmatch(
        rf"error: {bad} is truncated or damaged: .*--keep-truncated\. Import the rest with --skip-bad\.\n",
        capsys.readouterr().err,
    )
    assert {path: path.read_bytes() for path in bags.rglob("*") if path.is_file()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bags", "data"]


def test_who_trains_says_for_which_task(folder):
    """Training windows are drawn from what this returns."""
    for task in (None, "kitchen", "microwave,kettle,bottom_burner,light_switch"):
        assert read_dataset(folder, task).steps == 70
    with pytest.raises(DatasetError, match="was made for the task 'kitchen', not for 'kitchen_all'"):
        read_dataset(folder, "kitchen_all")
    with pytest.raises(ConfigError, match="Did you mean 'kitchen'"):
        read_dataset(folder, "kichen")


@pytest.mark.parametrize("name", ["info", "import", "replay"])
def test_file_that_is_no_dataset_is_named(tmp_path, capsys, name):
    file = tmp_path / "holiday.png"
    file.write_bytes(b"\x89PNG")
    options = ["--out", str(tmp_path / "out")] if name == "import" else []
    assert main(["demos", name, str(file), *options]) == 2
    assert capsys.readouterr().err == (
        f"error: {file} is not an HDF5 file. Expected one that starts with HDF5's signature.\n"
    )
    assert main(["demos", name, str(tmp_path / "nowhere"), *options]) == 2
    assert f"there is no {tmp_path}/nowhere. Expected a folder, an HDF5 file" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.png"]


def test_import_and_export_leave_what_is_there(folder, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    for command in (["import"], ["export", "--format", "d4rl"]):
        name, *options = command
        assert main(["demos", name, str(folder), *options, "--out", str(tmp_path / "mine")]) == 2
        assert f"{tmp_path}/mine exists already" in capsys.readouterr().err
    assert [path.read_text() for path in (tmp_path / "mine").iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--episodes", "0"], "--episodes is 0"), (["--actions", "planned"], "actions is 'planned'")],
)
def test_impossible_options_of_replay_are_refused(folder, capsys, options, message):
    assert main(["demos", "replay", str(folder), *options]) == 2
    assert message in capsys.readouterr().err
