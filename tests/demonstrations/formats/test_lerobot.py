import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("pyarrow")

import pyarrow.parquet as parquet

from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.formats import lerobot
from spirl_ros.demonstrations.formats.lerobot import write_lerobot
from spirl_ros.errors import DatasetError
from tests.demonstrations.small_dataset import METADATA, make_dataset, make_episode

FILES = [
    "data/chunk-000/file-000.parquet",
    "meta/episodes/chunk-000/file-000.parquet",
    "meta/info.json",
    "meta/stats.json",
    "meta/tasks.parquet",
    "spirl/episodes.parquet",
]
FEATURES = {
    "observation.state": ("float32", [2], ["joint_a", "joint_b"]),
    "observation.environment_state": ("float32", [1], ["door"]),
    "action": ("float32", [2], ["joint_a", "joint_b"]),
    "executed_action": ("float32", [2], ["joint_a", "joint_b"]),
    "next.reward": ("float32", [1], None),
    "next.done": ("bool", [1], None),
    "timestamp": ("float32", [1], None),
    "frame_index": ("int64", [1], None),
    "episode_index": ("int64", [1], None),
    "index": ("int64", [1], None),
    "task_index": ("int64", [1], None),
}


@pytest.fixture
def folder(tmp_path):
    write_lerobot(tmp_path / "lerobot", make_dataset())
    return tmp_path / "lerobot"


def rows_of(path):
    return parquet.read_table(path).to_pylist()


def test_folder_has_the_layout_of_format_3(folder):
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == FILES
    info = json.loads((folder / "meta/info.json").read_text())
    assert info["codebase_version"] == "v3.0"
    assert (info["total_episodes"], info["total_frames"], info["total_tasks"], info["fps"]) == (2, 8, 1, 12.5)
    assert info["splits"] == {"train": "0:2"}
    assert info["data_path"].format(chunk_index=0, file_index=0) == FILES[0]
    assert {name: (f["dtype"], f["shape"], f["names"]) for name, f in info["features"].items()} == FEATURES


def test_frames_hold_observations_and_the_actions_chosen_on_them(folder):
    frames = rows_of(folder / FILES[0])
    episode = make_dataset().episodes[1]  # 5 steps, after 3 of episode 0
    assert [frame["index"] for frame in frames] == list(range(8))
    for step, frame in enumerate(frames[3:]):
        observation = [*frame["observation.state"], frame["observation.environment_state"]]  # a single value is no list
        np.testing.assert_allclose(observation, episode.observations[step], rtol=1e-6)
        np.testing.assert_allclose(frame["action"], episode.actions[step], rtol=1e-6)
        np.testing.assert_allclose(frame["executed_action"], episode.executed_actions[step], rtol=1e-6)
        assert (frame["episode_index"], frame["frame_index"], frame["task_index"]) == (1, step, 0)
        assert frame["timestamp"] == pytest.approx(0.08 * step)
        assert frame["next.reward"] == episode.rewards[step]
        assert frame["next.done"] == (step == 4)


def test_episodes_name_their_frames_and_files(folder):
    first, second = rows_of(folder / FILES[1])
    assert (first["dataset_from_index"], first["dataset_to_index"], first["length"]) == (0, 3, 3)
    assert (second["dataset_from_index"], second["dataset_to_index"], second["length"]) == (3, 8, 5)
    assert second["tasks"] == ["kettle, microwave"]
    for name in ("data/chunk_index", "data/file_index", "meta/episodes/chunk_index", "meta/episodes/file_index"):
        assert second[name] == 0


def test_statistics_are_those_of_the_episode_and_of_all(folder):
    actions = [episode.actions.astype(np.float32) for episode in make_dataset().episodes]
    row = rows_of(folder / FILES[1])[1]
    whole = json.loads((folder / "meta/stats.json").read_text())["action"]
    for found, expected in (
        ({name: row[f"stats/action/{name}"] for name in whole}, actions[1]),
        (whole, np.concatenate(actions)),
    ):
        np.testing.assert_allclose(found["mean"], expected.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(found["std"], expected.std(axis=0), rtol=1e-5)
        np.testing.assert_allclose([found["min"], found["max"]], [expected.min(axis=0), expected.max(axis=0)])
        np.testing.assert_allclose(found["q50"], np.median(expected, axis=0), rtol=1e-5)
        assert found["count"] == [len(expected)]


def test_tasks_are_numbered_and_pandas_finds_them_by_their_text(tmp_path):
    other = replace(METADATA, task=("light_switch",))
    unknown = replace(METADATA, task=())
    episodes = (make_episode(2), make_episode(2, 1, other), make_episode(2, 2), make_episode(2, 3, unknown))
    write_lerobot(tmp_path / "a", Dataset(episodes, "kitchen"))
    rows = rows_of(tmp_path / "a/meta/tasks.parquet")
    names = ["kettle, microwave", "light switch", "kitchen"]
    assert [row["__index_level_0__"] for row in rows] == names
    assert [row["task_index"] for row in rows] == [0, 1, 2]
    assert [frame["task_index"] for frame in rows_of(tmp_path / "a" / FILES[0])] == [0, 0, 1, 1, 0, 0, 2, 2]
    pandas = pytest.importorskip("pandas", reason="LeRobot's reader uses it, we do not")
    table = pandas.read_parquet(tmp_path / "a/meta/tasks.parquet")
    assert list(table.index) == names
    assert int(table.loc["light switch"].task_index) == 1


def test_large_data_is_split_into_files_by_episode(tmp_path, monkeypatch):
    monkeypatch.setattr(lerobot, "_DATA_FILE_MB", 500 / 2**20)  # a frame of this robot is 69 bytes: 5 + 2 fit, no more
    monkeypatch.setattr(lerobot, "_FILES_PER_CHUNK", 2)
    write_lerobot(tmp_path / "a", make_dataset((5, 2, 3, 7)))
    places = [(row["data/chunk_index"], row["data/file_index"]) for row in rows_of(tmp_path / "a" / FILES[1])]
    assert places == [(0, 0), (0, 0), (0, 1), (1, 0)]
    lengths = [len(rows_of(path)) for path in sorted((tmp_path / "a/data").glob("*/*.parquet"))]
    assert lengths == [7, 3, 7]


def test_robot_without_a_scene_has_no_environment_state(tmp_path):
    alone = replace(METADATA, observation_names=METADATA.joint_names)
    write_lerobot(tmp_path / "a", make_dataset(metadata=alone))
    assert "observation.environment_state" not in rows_of(tmp_path / "a" / FILES[0])[0]


def test_existing_folder_is_left_untouched(folder):
    before = (folder / FILES[0]).read_bytes()
    with pytest.raises(DatasetError, match="exists already"):
        write_lerobot(folder, make_dataset((9,)))
    assert (folder / FILES[0]).read_bytes() == before


def test_lerobots_own_reader_gives_the_values_back(folder):
    """Where lerobot is installed; nothing of ours needs it."""
    reader = pytest.importorskip("lerobot.datasets.lerobot_dataset", reason="lerobot is not installed")
    dataset = reader.LeRobotDataset("local/small", root=folder)
    assert (len(dataset), dataset.num_episodes, dataset.fps) == (8, 2, 12.5)
    np.testing.assert_allclose(dataset[4]["action"].numpy(), make_dataset().episodes[1].actions[1], rtol=1e-6)
    assert dataset[4]["task"] == "kettle, microwave"
