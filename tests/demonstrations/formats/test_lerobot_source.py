"""LeRobot datasets laid out as lerobot 0.4 (v3.0) and 0.3 (v2.1) write them, made here with pyarrow alone."""

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("pyarrow")

import pyarrow as pa
import pyarrow.parquet as parquet

from spirl_ros.arms.robot_configuration import find_robot
from spirl_ros.commands.main import main
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.formats import parquet_source
from spirl_ros.demonstrations.formats.lerobot import write_lerobot
from spirl_ros.demonstrations.formats.lerobot_source import read_lerobot
from spirl_ros.demonstrations.sources import read_source
from spirl_ros.demonstrations.storage import read_dataset, write_dataset
from spirl_ros.errors import DatasetError
from tests.demonstrations.small_dataset import METADATA, make_dataset, make_episode
from tests.demonstrations.test_round_trip import assert_same_dataset

NAMES = ["elbow.pos", "shoulder.pos"]
POSITIONS = [  # at 10 Hz: the elbow at 0.5 and 0.2 rad/s, the shoulder at -0.995 rad/s
    np.array([[0.0, 0.3], [0.05, 0.3], [0.1, 0.3]]),
    np.array([[1.0, 0.2], [1.02, 0.1005]]),
]


def info_of(version, names=NAMES, **changes):
    def feature(kind, size, names=None):
        return {"dtype": kind, "shape": [size], "names": names}

    features = {
        "observation.state": feature("float32", len(POSITIONS[0][0]), names),
        "action": feature("float32", 2, names),
        "next.reward": feature("float32", 1),
        "next.success": feature("bool", 1),
    }
    return {"codebase_version": version, "robot_type": "so_arm", "fps": 10, "features": features, **changes}


def frames_of(episode, positions, first, task=0):
    frame = np.arange(len(positions))
    flat = pa.array(positions.astype(np.float32).ravel())
    return pa.table(
        {
            "observation.state": pa.FixedSizeListArray.from_arrays(flat, positions.shape[1]),
            "action": pa.FixedSizeListArray.from_arrays(flat, positions.shape[1]),
            "next.reward": (frame == len(frame) - 2).astype(np.float32),
            "next.success": (frame == len(frame) - 1) & (episode == 0),
            "timestamp": (frame / 10).astype(np.float32),
            "frame_index": frame,
            "episode_index": np.full(len(frame), episode),
            "index": first + frame,
            "task_index": np.full(len(frame), task),
        }
    )


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_parquet(path, table):
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, path)


def write_v3(folder, info=None, positions=POSITIONS):
    write_json(folder / "meta/info.json", info or info_of("v3.0"))
    tasks = pa.table({"task_index": [0], "__index_level_0__": pa.array(["press the button"], pa.large_string())})
    write_parquet(folder / "meta/tasks.parquet", tasks)
    tables = [frames_of(number, one, 0) for number, one in enumerate(positions)]
    write_parquet(folder / "data/chunk-000/file-000.parquet", pa.concat_tables(tables))
    return folder


def write_v21(folder):
    write_json(folder / "meta/info.json", info_of("v2.1"))
    (folder / "meta/tasks.jsonl").write_text(json.dumps({"task_index": 0, "task": "press the button"}) + "\n")
    for number, one in enumerate(POSITIONS):
        write_parquet(folder / f"data/chunk-000/episode_{number:06d}.parquet", frames_of(number, one, 0))
    return folder


@pytest.mark.parametrize("write", [write_v3, write_v21])
def test_joints_of_anybodys_dataset_become_velocities(tmp_path, write):
    """There was no import. An action of 1 is the fastest motion, rounded up to 1 rad/s; last frames have no action."""
    dataset = read_lerobot(write(tmp_path / "a"))
    first, second = dataset.episodes
    np.testing.assert_allclose(first.observations, POSITIONS[0], rtol=1e-6)
    np.testing.assert_allclose(first.actions, [[0.5, 0.0], [0.5, 0.0]], atol=1e-6)
    np.testing.assert_allclose(second.actions, [[0.2, -0.995]], atol=1e-6)
    np.testing.assert_array_equal(first.rewards, [0.0, 1.0])
    metadata = first.metadata
    assert (metadata.joint_names, metadata.control_rate_hz, metadata.action_scale) == (("elbow", "shoulder"), 10.0, 1.0)
    assert [one.metadata.is_success for one in dataset.episodes] == [True, False]
    assert [(one.terminated, one.truncated) for one in dataset.episodes] == [(True, False), (False, True)]
    assert (dataset.task, metadata.task) == ("press the button", ("press the button",))
    assert dataset.origin == {"imported_from": "a", "robot": "so_arm", "dropped": {"a single position": 0}}


def test_command_imports_it(tmp_path, capsys):
    write_v3(tmp_path / "a")
    assert main(["demos", "import", str(tmp_path / "a"), "--out", str(tmp_path / "data")]) == 0
    assert read_dataset(tmp_path / "data").steps == 3
    assert main(["demos", "info", str(tmp_path / "a"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["layout"] == "lerobot"


def test_joints_of_a_robot_are_found_by_name(tmp_path):
    """At its own rate: ur5e's skills run at 20 Hz, so in between lie the middles."""
    robot = find_robot("ur5e")
    names = [f"{name}.pos" for name in reversed(robot.limits.joint_names)]
    positions = [0.01 * np.arange(18.0).reshape(3, 6)]
    folder = write_v3(tmp_path / "a", info_of("v3.0", [*names]), positions)
    (episode,) = read_lerobot(folder, robot=robot).episodes
    assert (episode.metadata.joint_names, episode.metadata.control_rate_hz) == (robot.limits.joint_names, 20.0)
    expected = [0.01 * np.arange(5.0 + row, -1.0 + row, -1.0) for row in (0, 3, 6, 9, 12)]
    np.testing.assert_allclose(episode.observations, expected, atol=1e-7)
    np.testing.assert_allclose(episode.actions * robot.velocity_scale, 0.6, atol=1e-5)  # 0.03 rad in 0.05 s
    command = ["demos", "import", str(folder), "--robot", "ur5e", "--out", str(tmp_path / "data")]
    assert main(command) == 0
    assert read_dataset(tmp_path / "data").episodes[0].metadata.joint_names == robot.limits.joint_names


@pytest.mark.parametrize(
    "names", [["elbow", "shoulder"], {"motors": ["elbow", "shoulder"]}, {"elbow": 0, "shoulder": 1}, None]
)
def test_names_are_understood_in_every_way_they_are_written(tmp_path, names):
    found = read_lerobot(write_v3(tmp_path / "a", info_of("v3.0", names))).episodes[0].metadata.joint_names
    assert found == (("elbow", "shoulder") if names else ("joint1", "joint2"))


def test_frames_are_put_in_order(tmp_path):
    folder = write_v3(tmp_path / "a")
    path = folder / "data/chunk-000/file-000.parquet"
    table = parquet.read_table(path)
    parquet.write_table(table.take([4, 2, 0, 1, 3]), path)
    assert_same_dataset(read_lerobot(folder), read_lerobot(write_v3(tmp_path / "b" / "a")))


def test_our_own_export_gives_the_same_dataset(tmp_path):
    """An export could not be read at all, though the documentation said so."""
    failed = replace(METADATA, is_success=False, completed_at_step={}, operator_style=None, operator="Änn")
    episodes = (*make_dataset().episodes, make_episode(4, 2, failed, terminated=False, truncated=True))
    dataset = Dataset(episodes, "kitchen", {"robot": "ur5e", "dropped": {"failed": 2}})
    write_lerobot(tmp_path / "lerobot", dataset)
    assert_same_dataset(read_source(str(tmp_path / "lerobot")), dataset)
    write_dataset(tmp_path / "data", dataset)
    for name in ("data", "lerobot"):
        assert main(["demos", "import", str(tmp_path / name), "--out", str(tmp_path / f"{name}_again")]) == 0
    again = [read_dataset(tmp_path / f"{name}_again") for name in ("data", "lerobot")]
    assert_same_dataset(*again)
    with pytest.raises(DatasetError, match="made for the task 'kitchen', not for 'kitchen_all'"):
        read_source(str(tmp_path / "lerobot"), "kitchen_all")


def test_robot_without_a_scene_comes_back_too(tmp_path):
    dataset = make_dataset(metadata=replace(METADATA, observation_names=METADATA.joint_names))
    write_lerobot(tmp_path / "a", dataset)
    assert_same_dataset(read_lerobot(tmp_path / "a"), dataset)


def test_exports_say_robot_and_success(tmp_path):
    """robot_type was null, and nothing told a failed episode from the others."""
    told = [make_episode(2, seed, replace(METADATA, is_success=seed == 1)) for seed in range(2)]
    write_lerobot(tmp_path / "a", Dataset(tuple(told), "kitchen", {"robot": "ur5e"}))
    info = json.loads((tmp_path / "a/meta/info.json").read_text())
    assert info["robot_type"] == "ur5e"
    assert info["features"]["next.success"] == {"dtype": "bool", "shape": [1], "names": None}
    frames = parquet.read_table(tmp_path / "a/data/chunk-000/file-000.parquet")
    assert frames["next.success"].to_pylist() == [False, False, False, True]
    write_lerobot(tmp_path / "b", Dataset((told[0], make_episode(2, 0)), "kitchen"))  # of one nobody said
    assert "next.success" not in json.loads((tmp_path / "b/meta/info.json").read_text())["features"]


def test_changed_export_says_how_to_read_it_all_the_same(tmp_path):
    folder = tmp_path / "a"
    write_lerobot(folder, make_dataset())
    path = folder / "data/chunk-000/file-000.parquet"
    table = parquet.read_table(path)
    parquet.write_table(table.slice(0, 3), path)
    with pytest.raises(DatasetError, match="frames were added or removed. Delete spirl/episodes.parquet"):
        read_lerobot(folder)
    changed = table.set_column(table.column_names.index("next.reward"), "next.reward", pa.array(np.ones(8, np.float32)))
    parquet.write_table(changed, path)
    with pytest.raises(DatasetError, match=f"{folder}: the digest is .*delete spirl/episodes.parquet"):
        read_lerobot(folder)
    (folder / "spirl/episodes.parquet").unlink()
    assert read_lerobot(folder).steps == 6  # of 3 and 5 frames


def changed_info(**changes):
    return lambda folder: write_json(folder / "meta/info.json", info_of("v3.0", **changes))


def without_a_frame(folder):
    path = folder / "data/chunk-000/file-000.parquet"
    parquet.write_table(parquet.read_table(path).take([0, 2, 3, 4]), path)


def in_degrees(folder):
    write_v3(folder, positions=[one * 57.3 for one in POSITIONS])


def with_nan(folder):
    write_v3(folder, positions=[POSITIONS[0], POSITIONS[1] * np.nan])


def truncated(folder):
    path = folder / "data/chunk-000/file-000.parquet"
    path.write_bytes(path.read_bytes()[:-100])


def of_a_few_bytes(folder):
    """Two hundred million zeros, in some kilobytes."""
    path = folder / "data/chunk-000/file-000.parquet"
    rows = parquet.read_table(path).slice(0, 1)
    with parquet.ParquetWriter(path, rows.schema) as writer:
        writer.write_table(pa.concat_tables([rows] * 200_000).combine_chunks())


DAMAGES = [
    (changed_info(codebase_version="v1.6"), "says codebase_version 'v1.6'. Expected .* v2.0, v2.1 or v3.0"),
    (changed_info(fps=0), "says fps 0, expected"),
    (changed_info(features={"action": {}}), "has no feature observation.state"),
    (changed_info(names=["a", "b", "c"]), "observation.state has 2 values, but .* has 3 names"),
    (changed_info(names=["a", "a"]), "names of observation.state are a, a, expected one for each joint"),
    (without_a_frame, "episode 0 has frame_index 2 where 1 should be: frames are missing"),
    (
        in_degrees,
        r"episode 0: shoulder is at 17.19 in frame 0, outside -12.6 to 12.6 rad. Is it in degrees or percent\?",
    ),
    (with_nan, "episode 1: elbow is nan in frame 0, expected finite"),
    (truncated, "file-000.parquet cannot be read: "),
    (of_a_few_bytes, "takes more than [0-9]+ MB in memory, which is the most"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGES)
def test_what_cannot_be_used_is_named(tmp_path, monkeypatch, damage, message):
    monkeypatch.setattr(parquet_source, "_ALWAYS_ALLOWED_BYTES", 2**20)
    folder = write_v3(tmp_path / "a")
    damage(folder)
    with pytest.raises(DatasetError, match=f"{folder}.*{message}"):
        read_source(str(folder))


def test_another_robot_is_refused(tmp_path):
    with pytest.raises(
        DatasetError, match="observation.state is elbow.pos, shoulder.pos, but ur5e has shoulder_pan_joint"
    ):
        read_lerobot(write_v3(tmp_path / "a"), robot=find_robot("ur5e"))
