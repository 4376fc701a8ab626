import pickle
from dataclasses import replace

import numpy as np
import pytest

from spirl_ros.commands.main import main
from spirl_ros.control.observation_fields import Field
from spirl_ros.demonstrations import collect as collect_module
from spirl_ros.demonstrations import collection as collection_module
from spirl_ros.demonstrations.collect import Amount, collect
from spirl_ros.demonstrations.collection import CollectionConfig, RecordedChain, record_chain
from spirl_ros.demonstrations.dataset import Dataset, dataset_digest
from spirl_ros.demonstrations.dataset_summary import summarise, summary_table
from spirl_ros.demonstrations.replay import EpisodeReplayer
from spirl_ros.demonstrations.sources import read_source
from spirl_ros.demonstrations.storage import read_dataset, stored_digest, write_dataset
from spirl_ros.demonstrations.unfinished_collection import UnfinishedCollection
from spirl_ros.errors import DatasetError
from spirl_ros.maze.environment import MazeEnvironment
from spirl_ros.maze.family import MAZE, MazeFamily
from spirl_ros.maze.picture import VIEW
from spirl_ros.tasks.task import EpisodeConfig

CONFIG = CollectionConfig(task="maze:anywhere", split="complete")


@pytest.fixture(scope="module")
def recorded() -> RecordedChain:
    return record_chain(CONFIG, 0)


def test_demonstration_has_the_picture_of_every_step(recorded):
    """The one that the maze shows at each state: before the first action, and after each of them."""
    episode = recorded.episode
    assert episode.metadata.more_fields == (VIEW,)
    assert episode.fields["view"].shape == (episode.steps + 1, 32, 32, 3)
    environment = MAZE.environment(EpisodeConfig("anywhere"))
    environment.reset(episode.metadata.seed)
    for step, picture in enumerate(episode.fields["view"]):
        np.testing.assert_array_equal(environment.measurement.observation(), episode.observations[step])
        np.testing.assert_array_equal(environment.observe()["view"], picture)
        if step < episode.steps:
            environment.step(episode.executed_actions[step])
    assert len(np.unique(episode.fields["view"], axis=0)) > 0.9 * episode.steps


class FastMaze(MazeFamily):
    """A maze in which the speed is observed beside the state, and no picture."""

    more_fields = (Field("speed", (1,), names=("speed",), units=("m/s",)),)
    seen_by_prior = seen_by_policy = seen_by_critic = ("state",)

    def environment(self, config: EpisodeConfig = EpisodeConfig()) -> MazeEnvironment:
        return FastMazeEnvironment(self, config)


class FastMazeEnvironment(MazeEnvironment):
    def observe(self):
        return {"speed": np.array([np.hypot(*self.measurement.scene_positions)])}


def test_vectors_beside_the_state_are_in_single_precision(monkeypatch):
    family = FastMaze()
    monkeypatch.setattr(collection_module, "split_task", lambda text: (family, family.task("anywhere")))
    episode = record_chain(CONFIG, 0).episode
    assert episode is not None
    assert list(episode.fields) == ["speed"]
    assert episode.fields["speed"].dtype == np.float32
    expected = np.hypot(*episode.observations[:, 2:].T)[:, None]
    np.testing.assert_allclose(episode.fields["speed"], expected, rtol=1e-6)


def test_pictures_come_whole_out_of_a_worker(recorded):
    """Workers hand episodes over as pickles."""
    handed_over = pickle.loads(pickle.dumps(recorded)).episode
    assert dataset_digest([handed_over]) == dataset_digest([recorded.episode])


def test_resumed_collection_has_the_same_pictures(tmp_path, monkeypatch, recorded):
    chains = [recorded, *(record_chain(CONFIG, index) for index in (1, 2))]
    stop_at = 2

    def fake_outcomes(config, first, workers):
        for chain in chains[first:]:
            if chain.index == stop_at:
                raise KeyboardInterrupt
            yield chain

    monkeypatch.setattr(collect_module, "outcomes", fake_outcomes)
    with pytest.raises(KeyboardInterrupt):
        collect(tmp_path / "data", CONFIG, Amount(3, 0))
    stop_at = None
    resumed = collect(tmp_path / "data", CONFIG, Amount(3, 0), resume=True)
    assert resumed.digest == dataset_digest([chain.episode for chain in chains])
    assert read_dataset(tmp_path / "data").episodes[2].fields["view"].shape[1:] == VIEW.shape


def test_collection_begun_without_pictures_is_not_resumed_with_them(tmp_path, recorded):
    with UnfinishedCollection(tmp_path / "data.unfinished", CONFIG) as unfinished:
        unfinished.add(replace(recorded, episode=recorded.episode.without_fields()))
        unfinished.flush()
    with pytest.raises(DatasetError, match="episodes with nothing observed beside the state, but now that is view"):
        collect(tmp_path / "data", CONFIG, Amount(2, 0), resume=True)


def test_summary_tells_the_pictures_and_their_size(recorded):
    figures = summarise(Dataset((recorded.episode,), "maze:anywhere"))
    size = 3072 * (recorded.episode.steps + 1)
    expected = {"name": "view", "shape": (32, 32, 3), "dtype": "uint8", "source": "above", "bytes": size}
    assert figures["fields"] == [expected]
    line = f"field view        32 x 32 x 3 of uint8, from above; {size / 1e6:.3g} MB in memory"
    assert line in summary_table(figures).splitlines()


def test_import_of_our_own_dataset_keeps_pictures(tmp_path, recorded):
    dataset = Dataset((recorded.episode,), "maze:anywhere")
    digest = write_dataset(tmp_path / "data", dataset)
    assert main(["demos", "import", str(tmp_path / "data"), "--out", str(tmp_path / "again")]) == 0
    assert stored_digest(tmp_path / "again") == digest


def test_demonstration_is_replayed_in_its_own_maze(recorded):
    """It was replayed in the target maze, whatever its task: no seed gave the recorded start."""
    replayed = EpisodeReplayer(MAZE).replay(recorded.episode)
    assert (replayed.start, replayed.joint_drift.max, replayed.lost) == ("seed", 0.0, [])
    dreamt = replace(recorded.episode, metadata=replace(recorded.episode.metadata, task=("anywhere", "anywhere")))
    assert EpisodeReplayer(MAZE).replay(dreamt).start == "observation"


def test_replay_says_in_one_line_that_it_leaves_pictures_out(tmp_path, capfd, recorded):
    write_dataset(tmp_path / "data", Dataset((recorded.episode,), "maze:anywhere"))
    assert main(["demos", "replay", str(tmp_path / "data"), "--episodes", "1"]) == 0
    assert [line for line in capfd.readouterr().err.splitlines() if line.startswith("left out: view; ")]


def test_what_lerobot_gives_back_is_the_dataset_with_its_pictures(tmp_path, recorded):
    pytest.importorskip("pyarrow")
    from spirl_ros.demonstrations.formats.lerobot import write_lerobot

    write_lerobot(tmp_path / "lerobot", Dataset((recorded.episode,), "maze:anywhere"))
    found = read_source(str(tmp_path / "lerobot"))
    assert dataset_digest(found.episodes) == dataset_digest([recorded.episode])
