"""What each command makes of bad input: exit code 2, one line that names the file, and nothing changed or left behind."""

import json
import re
from dataclasses import replace

import h5py
import numpy as np
import pytest

from spirl_ros.commands.main import main
from spirl_ros.demonstrations.collection import kitchen_metadata
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.storage import read_dataset, write_dataset
from spirl_ros.errors import ConfigError, DatasetError
from spirl_ros.tasks.kitchen.scene import load_kitchen_scene
from tests.demonstrations.small_dataset import make_episode


@pytest.fixture
def folder(tmp_path):
    metadata = replace(kitchen_metadata(load_kitchen_scene()), operator="scripted", seed=3)
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
def test_dataset_of_another_task_is_refused(folder, tmp_path, capsys, command):
    make_it_another_task(folder)
    name, *options = command
    assert main(["demos", name, str(folder), *[str(tmp_path / "out") if o == "OUT" else o for o in options]]) == 2
    assert capsys.readouterr().err == (
        f"error: {folder} was made for the task 'slide_cabinet,kettle', not for 'kitchen'. "
        "Choose a dataset of that task, or ask for 'slide_cabinet,kettle'.\n"
    )
    assert not (tmp_path / "out").exists()


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
