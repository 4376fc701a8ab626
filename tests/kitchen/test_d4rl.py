from dataclasses import replace

import h5py
import numpy as np
import pytest

from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.layout import robot_metadata
from spirl_ros.errors import DatasetError
from spirl_ros.kitchen.d4rl import read_d4rl, write_d4rl
from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.kitchen.scene import INITIAL_POSITIONS, load_kitchen_scene
from tests.demonstrations.small_dataset import make_dataset, make_episode


def d4rl_arrays(lengths=(4, 3)):
    rows = sum(lengths)
    observations = np.concatenate((np.tile(INITIAL_POSITIONS, (rows, 1)), np.zeros((rows, 30))), axis=1)
    observations[:, 0] = np.arange(rows)
    # The microwave is open from row 2 on, until the first episode ends.
    observations[2 : lengths[0], 9 + load_kitchen_scene().scene_names.index("microwave")] = -0.75
    terminals = np.zeros(rows, dtype=bool)
    terminals[np.cumsum(lengths) - 1] = True
    return {
        "observations": observations.astype(np.float32),
        "actions": np.random.default_rng(0).uniform(-1.0, 1.0, (rows, 9)).astype(np.float32),
        "rewards": np.arange(rows, dtype=np.float32),
        "terminals": terminals,
        "timeouts": np.zeros(rows, dtype=bool),
    }


def write_file(path, arrays):
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values)
    return path


def test_rows_become_episodes_without_the_last_action_of_each(tmp_path):
    arrays = d4rl_arrays()
    dataset = read_d4rl(write_file(tmp_path / "a.hdf5", arrays))
    first, second = dataset.episodes
    assert (first.steps, second.steps) == (3, 2)
    np.testing.assert_array_equal(first.observations[:, 0], [0, 1, 2, 3])
    np.testing.assert_array_equal(second.observations[:, 0], [4, 5, 6])
    np.testing.assert_array_equal(second.actions, arrays["actions"][4:6])
    np.testing.assert_array_equal(second.rewards, [4, 5])
    assert (first.terminated, first.truncated) == (False, True)


def test_done_subtasks_are_judged_from_the_observations(tmp_path):
    first, second = read_d4rl(write_file(tmp_path / "a.hdf5", d4rl_arrays())).episodes
    assert first.metadata.completed_at_step == {"microwave": 2}  # after the second action
    assert second.metadata.completed_at_step == {}


def test_episodes_end_at_timeouts_and_at_the_end_of_the_file_too(tmp_path):
    arrays = d4rl_arrays()
    arrays["timeouts"], arrays["terminals"] = arrays["terminals"], arrays["timeouts"]
    arrays["timeouts"][-1] = False
    assert [one.steps for one in read_d4rl(write_file(tmp_path / "a.hdf5", arrays)).episodes] == [3, 2]


def test_episode_of_one_row_is_dropped_and_counted(tmp_path):
    dataset = read_d4rl(write_file(tmp_path / "a.hdf5", d4rl_arrays((3, 1))))
    assert len(dataset.episodes) == 1
    assert dataset.origin["dropped"] == {"a single row": 1}


def test_exported_file_has_the_schema_and_comes_back_whole(tmp_path):
    metadata = replace(robot_metadata(KITCHEN.robot), operator="scripted")
    ended = make_episode(5, 0, metadata)
    stopped = make_episode(3, 1, metadata, terminated=False, truncated=True)
    write_d4rl(tmp_path / "a.hdf5", Dataset((ended, stopped), "kitchen"))
    with h5py.File(tmp_path / "a.hdf5") as file:
        names = ("observations", "actions", "rewards", "terminals", "timeouts")
        sizes = {name: np.asarray(file[name]).shape for name in names}
        assert sizes == {
            "observations": (8, 60),
            "actions": (8, 9),
            "rewards": (8,),
            "terminals": (8,),
            "timeouts": (8,),
        }
        np.testing.assert_array_equal(np.flatnonzero(np.asarray(file["terminals"])), [4])
        np.testing.assert_array_equal(np.flatnonzero(np.asarray(file["timeouts"])), [7])
        goal = np.asarray(file["observations"])[:, 30:]
        # Of the target: 2 values for the burner, 2 for the light, 1 for the microwave, 7 for the kettle less 2 zeros.
        assert (np.count_nonzero(goal, axis=1) == 10).all()
    for found, expected in zip(read_d4rl(tmp_path / "a.hdf5").episodes, (ended, stopped), strict=True):
        for name in ("observations", "actions", "executed_actions", "rewards"):
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-6)
        assert (found.terminated, found.truncated) == (expected.terminated, expected.truncated)


def test_exported_goal_is_that_of_the_public_file(tmp_path):
    """The goal that the project's own first recording has in every row, as D4RL's has."""
    metadata = replace(robot_metadata(KITCHEN.robot), operator="scripted")
    write_d4rl(tmp_path / "a.hdf5", Dataset((make_episode(1, 0, metadata),), "kitchen"))
    goal = [0.0] * 11 + [-0.88, -0.01] + [0.0] * 4 + [-0.69, -0.05] + [0.0] * 3
    goal += [-0.75, -0.23, 0.75, 1.62, 0.99, 0.0, 0.0, -0.06]
    with h5py.File(tmp_path / "a.hdf5") as file:
        np.testing.assert_allclose(np.asarray(file["observations"])[0, 30:], goal, rtol=1e-6)


def test_dataset_of_another_robot_is_not_exported(tmp_path):
    with pytest.raises(
        DatasetError, match="observation_names is joint_a, joint_b, door, but .* has panda0_joint1.* D4RL's schema"
    ):
        write_d4rl(tmp_path / "a.hdf5", make_dataset())
    assert list(tmp_path.iterdir()) == []


def test_existing_file_is_left_untouched(tmp_path):
    (tmp_path / "a.hdf5").write_text("mine")
    metadata = replace(robot_metadata(KITCHEN.robot), operator="scripted")
    with pytest.raises(DatasetError, match="exists already"):
        write_d4rl(tmp_path / "a.hdf5", make_dataset(metadata=metadata))
    assert (tmp_path / "a.hdf5").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("actions", None, r"lacks actions. Found .*observations \(7, 60\).*expected observations \(N, 60\)"),
        ("observations", np.zeros((7, 17)), r"observations has shape \(7, 17\), expected \(7, 60\)"),
        ("rewards", np.zeros(6), r"rewards has shape \(6,\), expected \(7,\)"),
        ("actions", np.full((7, 9), np.nan), "actions has a value in row 0 that is not finite"),
    ],
)
def test_wrong_schema_is_named(tmp_path, name, values, message):
    arrays = {**d4rl_arrays(), name: values}
    path = write_file(tmp_path / "a.hdf5", {key: value for key, value in arrays.items() if value is not None})
    with pytest.raises(DatasetError, match=f"{path}.*{message}"):
        read_d4rl(path)


def test_what_is_no_whole_hdf5_file_is_named(tmp_path):
    path = tmp_path / "a.hdf5"
    with pytest.raises(DatasetError, match=f"no file {path}"):
        read_d4rl(path)
    path.write_text("hello")
    with pytest.raises(DatasetError, match=f"{path} is not an HDF5 file"):
        read_d4rl(path)
    write_file(path, d4rl_arrays())
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(DatasetError, match=f"{path} cannot be read.*truncated"):
        read_d4rl(path)


@pytest.mark.parametrize(("missing", "steps"), [("timeouts", [3, 2]), ("terminals", [6])])
def test_file_that_marks_no_timeouts_has_none(tmp_path, missing, steps):
    """Files without `timeouts` were refused. Of seven rows, the fourth and the last are terminals here, none a
    timeout."""
    arrays = d4rl_arrays()
    del arrays[missing]
    assert [one.steps for one in read_d4rl(write_file(tmp_path / "a.hdf5", arrays)).episodes] == steps


def test_file_that_marks_no_ends_at_all_is_refused(tmp_path):
    """As one episode, its episodes would be spliced."""
    arrays = d4rl_arrays()
    del arrays["timeouts"], arrays["terminals"]
    with pytest.raises(DatasetError, match="lacks terminals, timeouts.*of terminals and timeouts at least one"):
        read_d4rl(write_file(tmp_path / "a.hdf5", arrays))
