"""Minari datasets of exactly the spaces of D4RL/kitchen/mixed-v2, made here with minari itself."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from spirl_ros.commands.main import main
from spirl_ros.demonstrations.formats.minari_storage import is_minari_id, minari_folder
from spirl_ros.demonstrations.replay import EpisodeReplayer
from spirl_ros.demonstrations.sources import read_source
from spirl_ros.demonstrations.storage import read_dataset, write_dataset
from spirl_ros.errors import DatasetError
from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.kitchen.minari import read_minari
from spirl_ros.kitchen.scene import INITIAL_POSITIONS, load_kitchen_scene
from tests.demonstrations.small_dataset import make_dataset

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # minari asks for an author, a description, …

ID = "D4RL/kitchen/mixed-v2"
SIZES = {"bottom burner": 2, "kettle": 7, "light switch": 2, "microwave": 1}
MICROWAVE = 9 + load_kitchen_scene().scene_names.index("microwave")


@pytest.fixture
def minari(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    return pytest.importorskip("minari")


def positions_of(steps):
    """Positions (T+1, 30): nothing moves but joint 1, and the microwave, which is open after the second action."""
    positions = np.tile(INITIAL_POSITIONS, (steps + 1, 1))
    positions[:, 0] = np.arange(steps + 1)
    positions[2:, MICROWAVE] = -0.75
    return positions


def franka_kitchen_observations(positions):
    """The 59 values: joint positions, joint velocities, scene positions, scene velocities; velocities are 100 here."""
    joints, scene = positions[:, :9], positions[:, 9:]
    velocities = np.full((len(positions), 9), 100.0), np.full((len(positions), 20), 100.0)
    return np.concatenate((joints, velocities[0], scene, velocities[1]), axis=1)


def buffer_of(minari, steps, *, terminated=False, observations=None, actions=None):
    goals = {name: np.zeros((steps + 1, size)) for name, size in SIZES.items()}
    last = np.arange(steps) == steps - 1
    return minari.data_collector.EpisodeBuffer(
        observations={
            "observation": franka_kitchen_observations(positions_of(steps)) if observations is None else observations,
            "achieved_goal": goals,
            "desired_goal": goals,
        },
        actions=np.full((steps, 9), 0.25) if actions is None else actions,
        rewards=np.arange(steps, dtype=float),
        terminations=last & terminated,
        truncations=last & (not terminated),
    )


def make(minari, buffers, dataset_id=ID, size=59, action_size=9):
    from gymnasium import spaces

    def box(n):
        return spaces.Box(-np.inf, np.inf, (n,), np.float64)

    goal = spaces.Dict({name: box(n) for name, n in SIZES.items()})
    minari.create_dataset_from_buffers(
        dataset_id,
        buffers,
        observation_space=spaces.Dict({"observation": box(size), "achieved_goal": goal, "desired_goal": goal}),
        action_space=spaces.Box(-1.0, 1.0, (action_size,), np.float64),
    )
    return minari_folder(dataset_id)


def test_the_30_positions_are_taken_out_of_the_59_values(minari):
    make(minari, [buffer_of(minari, 4), buffer_of(minari, 3, terminated=True)])
    first, second = read_source(ID).episodes
    np.testing.assert_array_equal(first.observations, positions_of(4))
    np.testing.assert_array_equal(second.observations, positions_of(3))
    assert (first.steps, second.steps) == (4, 3)  # no action is lost, unlike in D4RL's own file
    np.testing.assert_array_equal(second.rewards, [0, 1, 2])
    np.testing.assert_array_equal(second.actions, np.full((3, 9), 0.25))
    assert (first.terminated, first.truncated) == (False, True)
    assert (second.terminated, second.truncated) == (True, False)
    assert first.metadata.completed_at_step == {"microwave": 2}
    assert first.metadata.operator == f"imported from {ID}"


def test_id_is_imported_by_the_command(minari, tmp_path, capsys):
    make(minari, [buffer_of(minari, 4)])
    assert main(["demos", "import", ID, "--out", str(tmp_path / "out")]) == 0
    assert "1 episodes with 4 steps" in capsys.readouterr().out
    assert read_dataset(tmp_path / "out").episodes[0].metadata.control_rate_hz == 12.5


def test_episodes_recorded_from_franka_kitchen_are_repeated_exactly(minari):
    """Proof of the conversion: the imported episode, replayed from its seed in our simulation, gives the same
    numbers."""
    gymnasium = pytest.importorskip("gymnasium")
    import gymnasium_robotics
    import mujoco

    if int(mujoco.__version__.split(".")[0]) >= 4:
        pytest.skip("FrankaKitchen-v1 does not start with mujoco 4")
    gymnasium.register_envs(gymnasium_robotics)
    environment = gymnasium.make("FrankaKitchen-v1", tasks_to_complete=list(SIZES))
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (12, 9))
    seen = [environment.reset(seed=5)[0]["observation"].copy()]
    seen += [environment.step(action)[0]["observation"].copy() for action in actions]
    recorded = buffer_of(minari, 12, observations=np.array(seen), actions=actions)
    minari.create_dataset_from_buffers("test/kitchen-v0", [replace(recorded, seed=5)], env=environment)
    (episode,) = read_source("test/kitchen-v0").episodes
    assert (episode.steps, episode.metadata.seed) == (12, 5)
    replayed = EpisodeReplayer(KITCHEN).replay(episode)
    assert replayed.start == "seed"
    assert max(replayed.joint_drift.max, replayed.scene_drift.max) < 1e-8


def test_dataset_of_ours_in_minaris_storage_is_read_with_all_that_we_know(minari):
    folder = minari.storage.datasets_root_dir.get_dataset_path("spirl/small-v0") / "data"
    write_dataset(folder, make_dataset())
    found = read_source("spirl/small-v0").episodes[1]
    assert found.metadata == make_dataset().episodes[1].metadata
    np.testing.assert_array_equal(found.executed_actions, make_dataset().episodes[1].executed_actions)
    assert read_source(str(folder.parent)).steps == 8  # the folder itself, too


def test_other_spaces_are_refused_with_the_reason(minari):
    folder = make(minari, [buffer_of(minari, 2, observations=np.zeros((3, 60)))], "test/other-v0", size=60)
    with pytest.raises(
        DatasetError, match=rf"{folder}: observations are .*\(60,\).*Expected FrankaKitchen-v1's.*\(59,\)"
    ):
        read_minari(folder)
    folder = make(minari, [buffer_of(minari, 2, actions=np.zeros((2, 7)))], "test/seven-v0", action_size=7)
    with pytest.raises(DatasetError, match=r"actions are Box.*\(7,\)"):
        read_minari(folder)


def test_nan_is_named_with_folder_and_episode(minari):
    broken = franka_kitchen_observations(positions_of(3))
    broken[1, 20] = np.nan
    folder = make(minari, [buffer_of(minari, 2), buffer_of(minari, 3, observations=broken)])
    with pytest.raises(DatasetError, match=rf"{folder}: episode 1: observations is nan at \(1, 11\)"):
        read_minari(folder)


def test_truncated_file_is_named(minari):
    folder = make(minari, [buffer_of(minari, 200)])
    path = folder / "main_data.hdf5"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DatasetError, match=f"{path} cannot be read.*truncated"):
        read_minari(folder)


def test_id_that_is_not_there_says_what_to_do(minari, tmp_path):
    with pytest.raises(DatasetError, match=f"{ID} is not in Minari's local storage.*{tmp_path}/minari.*--download"):
        read_source(ID)


def test_missing_minari_is_one_line_with_the_next_step(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "minari", None)  # what `import` makes of a package that is not installed
    assert main(["demos", "import", ID, "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == (
        "error: the package minari is not installed. Minari's datasets need it: pip install minari.\n"
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [(ID, True), ("kitchen-mixed-v1", True), ("data/kitchen_mixed", False), ("a.hdf5", False), ("/data/x-v1", False)],
)
def test_ids_are_told_from_paths(source, expected):
    assert is_minari_id(source) == expected
