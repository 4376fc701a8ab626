"""A maze demonstration in bags: its pictures come back with their states, or it is told which lack."""

import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("spirl_msgs", reason="definitions of our messages come from the workspace: make setup")

from spirl_ros.commands.main import main
from spirl_ros.control.image_messages import image_topic
from spirl_ros.demonstrations.asked_pictures import asked_pictures
from spirl_ros.demonstrations.collection import CollectionConfig, record_chain
from spirl_ros.demonstrations.dataset import Dataset, dataset_digest
from spirl_ros.demonstrations.formats.bag_export import write_bags
from spirl_ros.demonstrations.formats.bag_import import import_bags
from spirl_ros.demonstrations.sources import read_source
from spirl_ros.demonstrations.storage import read_dataset, write_dataset
from spirl_ros.errors import ConfigError, DatasetError
from spirl_ros.maze.picture import VIEW
from tests.demonstrations.formats.test_bag_import import rewrite

CAMERA = f"/{image_topic(VIEW.source)}"
PIXELS = 32 * 32 * 3


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    chains = [record_chain(CollectionConfig(task="maze:anywhere", split="complete"), index) for index in (0, 1)]
    return Dataset(tuple(chain.episode for chain in chains if chain.episode is not None), "maze:anywhere")


@pytest.fixture(scope="module")
def bag(tmp_path_factory, dataset) -> Path:
    folder = tmp_path_factory.mktemp("bags")
    write_bags(folder / "bags", dataset)
    return folder / "bags" / "episode_000001"


def of_pictures(bag: Path, folder: Path, change) -> Path:
    """The bag with `change(number, data)` in place of each picture's message."""
    changed = rewrite(
        bag, lambda topic, number, data: change(number, data) if topic == CAMERA else data, task="maze:anywhere"
    )
    loose = folder / "bag.mcap"
    (changed / "changed_0.mcap").rename(loose)
    shutil.rmtree(changed)
    return loose


def test_bags_give_the_dataset_again_with_its_pictures(bag, dataset) -> None:
    again = import_bags([bag.parent])
    assert again.episodes[0].metadata.more_fields == (VIEW,)
    assert dataset_digest(again.episodes) == dataset_digest(dataset.episodes)


def test_command_writes_and_reads_pictures_in_bags(tmp_path, capsys, dataset) -> None:
    digest = write_dataset(tmp_path / "data", dataset)
    assert main(["demos", "export", str(tmp_path / "data"), "--format", "bag", "--out", str(tmp_path / "bags")]) == 0
    assert main(["demos", "import", str(tmp_path / "bags"), "--out", str(tmp_path / "again")]) == 0
    told = capsys.readouterr()
    assert f"digest {digest}" in told.out and "left out" not in told.err
    command = ["demos", "import", str(tmp_path / "bags"), "--cameras", "none", "--out", str(tmp_path / "without")]
    assert main(command) == 0
    assert not read_dataset(tmp_path / "without").episodes[0].fields


def test_picture_that_was_lost_is_told_and_an_older_one_taken_where_that_is_asked_for(tmp_path, bag, dataset) -> None:
    lost = of_pictures(bag, tmp_path, lambda number, data: None if number == 40 else data)
    with pytest.raises(
        DatasetError, match=r"camera 'above': 1 of \d+ observations have no picture, the first after 0.400 s"
    ):
        import_bags([lost])
    (episode,) = import_bags([lost], pictures=asked_pictures(None, None, 0.05)).episodes
    expected = dataset.episodes[0].fields["view"]
    np.testing.assert_array_equal(episode.fields["view"][40], expected[39])
    np.testing.assert_array_equal(episode.fields["view"][41], expected[41])


def test_recording_without_pictures_is_told_but_read_where_only_the_state_counts(tmp_path, capsys, bag) -> None:
    blind = of_pictures(bag, tmp_path, lambda number, data: None)
    assert main(["demos", "import", str(blind), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert "has no picture on camera/above/image_raw or camera/above/image_raw/compressed" in error
    assert error.count("\n") == 1 and "--cameras none" in error
    assert not read_source(str(blind)).episodes[0].fields
    assert main(["demos", "info", str(blind)]) == 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda number, data: data[:-PIXELS] + bytes(PIXELS), "after 0.000 s camera 'above' shows nothing but black"),
        (
            lambda number, data: data.replace(b"rgb8", b"rgbX"),
            "picture 0 on .* sends 'rgbX', expected one of mono8, rgb8",
        ),
        (
            lambda number, data: data[: -PIXELS - 4] + struct.pack("<I", 5) + data[-5:],
            "picture 0 on .* sends 5 bytes in rows of 96, expected 32 rows",
        ),
        (lambda number, data: data[:30], "message 0 on .* does not fit its definition"),
        (
            lambda number, data: data.replace(struct.pack("<II", 32, 32), struct.pack("<II", 16, 64)),
            "camera 'above' sends 64 x 16 pixels in colours, but the task observes 32 x 32",
        ),
    ],
    ids=["black", "encoding", "short", "cut", "size"],
)
def test_pictures_that_the_task_does_not_observe_are_told(tmp_path, bag, change, told: str) -> None:
    with pytest.raises(DatasetError, match=told) as error:
        import_bags([of_pictures(bag, tmp_path, change)])
    assert "\n" not in str(error.value)


def test_camera_that_stands_still_is_told(tmp_path, bag) -> None:
    """With its own stamps, but the pixels of the first picture, for more than a second of motion."""
    first: list[bytes] = []

    def freeze(number: int, data: bytes) -> bytes:
        first.append(data[-PIXELS:])
        return data[:-PIXELS] + first[0]

    with pytest.raises(DatasetError, match=r"after 1.000 s camera 'above' has shown the same picture for 1.0 s while"):
        import_bags([of_pictures(bag, tmp_path, freeze)])


def test_cameras_and_sizes_that_the_task_does_not_observe_are_told(bag) -> None:
    with pytest.raises(ConfigError, match="--cameras has 'wrist', but the task observes above"):
        import_bags([bag], pictures=asked_pictures("wrist", None, None))
    with pytest.raises(ConfigError, match="--picture-size is for arms without a scene; .* observes 32x32 of above"):
        import_bags([bag], pictures=asked_pictures(None, "16x16", None))
