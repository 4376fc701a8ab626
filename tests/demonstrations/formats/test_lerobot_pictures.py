"""Pictures in LeRobot datasets: the same come back, as video and as PNG files, and what is wrong with them is told."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("pyarrow")

import pyarrow as pa
import pyarrow.parquet as parquet

from spirl_ros.commands.main import main
from spirl_ros.control.observation_fields import PICTURE, Field
from spirl_ros.demonstrations.dataset import Dataset, dataset_digest
from spirl_ros.demonstrations.formats import lerobot, lerobot_pictures, lerobot_video
from spirl_ros.demonstrations.formats.lerobot import KEPT, write_lerobot
from spirl_ros.demonstrations.formats.lerobot_source import read_lerobot
from spirl_ros.demonstrations.storage import read_dataset, stored_digest, write_dataset
from spirl_ros.errors import DatasetError
from tests.demonstrations.small_dataset import FORCE, FRONT, METADATA, SEEING, assert_same_episode, make_dataset

GREY = Field("grey", (7, 5, 1), PICTURE, source="wrist")
TWO_CAMERAS = replace(METADATA, more_fields=(FRONT, GREY))
KEY = "observation.images.front"
VIDEO = "videos/observation.images.front/chunk-000/file-000.mp4"
needs_video = pytest.mark.skipif(not lerobot_video.has_video(), reason="PyAV is not installed")


@pytest.fixture(params=[pytest.param("video", marks=needs_video), "image"])
def kind(request, monkeypatch) -> str:
    """How pictures are written."""
    if request.param == "image":
        for module in (lerobot_pictures, lerobot_video):  # the writer asks in the one, the command in the other
            monkeypatch.setattr(module, "has_video", lambda: False)
    return request.param


@pytest.fixture
def dataset() -> Dataset:
    return make_dataset((3, 5), TWO_CAMERAS)


def test_the_same_dataset_comes_back(tmp_path, kind, dataset) -> None:
    write_lerobot(tmp_path / "a", dataset)
    again = read_lerobot(tmp_path / "a")
    for found, expected in zip(again.episodes, dataset.episodes, strict=True):
        assert_same_episode(found, expected)
    assert dataset_digest(again.episodes) == dataset_digest(dataset.episodes)
    features = json.loads((tmp_path / "a/meta/info.json").read_text())["features"]
    assert (features[KEY]["dtype"], features[KEY]["shape"]) == (kind, [4, 6, 3])
    assert features["observation.images.grey"]["shape"] == [7, 5, 3]
    assert (tmp_path / "a" / VIDEO).is_file() == (kind == "video")


@needs_video
def test_episodes_name_their_place_in_the_video(tmp_path, dataset) -> None:
    """At 12.5 Hz the 3 frames of the first last 0.24 s; the second's 5 follow in the same file."""
    av = pytest.importorskip("av")
    write_lerobot(tmp_path / "a", dataset)
    info = json.loads((tmp_path / "a/meta/info.json").read_text())
    assert info["video_path"].format(video_key=KEY, chunk_index=0, file_index=0) == VIDEO
    rows = parquet.read_table(tmp_path / "a/meta/episodes/chunk-000/file-000.parquet").to_pylist()
    places = [[row[f"videos/{KEY}/{name}"] for name in ("chunk_index", "file_index")] for row in rows]
    assert places == [[0, 0], [0, 0]]
    times = [[row[f"videos/{KEY}/{name}_timestamp"] for name in ("from", "to")] for row in rows]
    np.testing.assert_allclose(times, [[0.0, 0.24], [0.24, 0.64]])
    with av.open(str(tmp_path / "a" / VIDEO)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        np.testing.assert_allclose([frame.time for frame in frames], 0.08 * np.arange(8), atol=1e-6)
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "gbrp")
        assert info["features"][KEY]["info"]["video.codec"] == "h264"
    # The first frame of the second episode, as any reader decodes it.
    np.testing.assert_array_equal(frames[3].to_ndarray(format="rgb24"), dataset.episodes[1].fields["front"][0])


@needs_video
def test_large_videos_are_split_into_files_by_episode(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(lerobot_video, "VIDEO_FILE_MB", 1e-6)
    monkeypatch.setattr(lerobot, "_FILES_PER_CHUNK", 2)
    dataset = make_dataset((2, 3, 4), TWO_CAMERAS)
    write_lerobot(tmp_path / "a", dataset)
    rows = parquet.read_table(next((tmp_path / "a/meta/episodes").glob("*/*"))).to_pylist()
    places = [(row[f"videos/{KEY}/chunk_index"], row[f"videos/{KEY}/file_index"]) for row in rows]
    assert places == [(0, 0), (0, 1), (1, 0)]
    assert dataset_digest(read_lerobot(tmp_path / "a").episodes) == dataset_digest(dataset.episodes)


def test_frames_without_video_hold_png_files(tmp_path, monkeypatch, dataset) -> None:
    monkeypatch.setattr(lerobot_pictures, "has_video", lambda: False)
    write_lerobot(tmp_path / "a", dataset)
    frames = parquet.read_table(tmp_path / "a/data/chunk-000/file-000.parquet")
    assert frames.schema.field(KEY).type == pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    picture = lerobot_pictures.from_png(frames[KEY][4].as_py()["bytes"])
    np.testing.assert_array_equal(picture, dataset.episodes[1].fields["front"][1])
    assert json.loads((tmp_path / "a/meta/info.json").read_text())["video_path"] is None


def test_statistics_are_of_every_pixel_by_channel(tmp_path, kind, dataset) -> None:
    write_lerobot(tmp_path / "a", dataset)
    pictures = [episode.fields["front"][:-1] / 255.0 for episode in dataset.episodes]
    rows = parquet.read_table(tmp_path / "a/meta/episodes/chunk-000/file-000.parquet").to_pylist()
    whole = json.loads((tmp_path / "a/meta/stats.json").read_text())[KEY]
    for found, expected in (
        ({name: rows[1][f"stats/{KEY}/{name}"] for name in whole}, pictures[1]),
        (whole, np.concatenate(pictures)),
    ):
        by_channel = expected.reshape(-1, 3)
        assert np.shape(found["mean"]) == (3, 1, 1) and found["count"] == [len(expected)]
        for name, value in (("mean", by_channel.mean(0)), ("std", by_channel.std(0)), ("min", by_channel.min(0))):
            np.testing.assert_allclose(np.ravel(found[name]), value, atol=1e-9)
        np.testing.assert_allclose(np.ravel(found["max"]), by_channel.max(0))
        median = np.quantile(by_channel, 0.5, axis=0, method="inverted_cdf")
        np.testing.assert_allclose(np.ravel(found["q50"]), median)


def test_command_writes_pictures_and_says_what_it_leaves_out(tmp_path, capsys, kind) -> None:
    digest = write_dataset(tmp_path / "data", make_dataset(metadata=SEEING))
    command = ["demos", "export", str(tmp_path / "data"), "--format", "lerobot", "--out", str(tmp_path / "a")]
    assert main(command) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "left out: force; what --format lerobot writes holds pictures beside the state."
    assert (len(lines) == 2 and "PyAV: pip install av" in lines[1]) == (kind == "image")
    assert main(["demos", "import", str(tmp_path / "a"), "--out", str(tmp_path / "again")]) == 0
    found = read_dataset(tmp_path / "again")
    assert [one.name for one in found.episodes[0].metadata.more_fields] == ["front"]
    assert stored_digest(tmp_path / "again") != digest
    no_pictures = ["demos", "import", str(tmp_path / "a"), "--cameras", "none", "--out", str(tmp_path / "none")]
    assert main(no_pictures) == 0
    assert not read_dataset(tmp_path / "none").episodes[0].fields
    assert FORCE.name not in found.episodes[0].fields


@needs_video
def test_video_without_pyav_is_told_with_the_way_out(tmp_path, monkeypatch, dataset) -> None:
    write_lerobot(tmp_path / "a", dataset)
    monkeypatch.setattr(lerobot_video, "has_video", lambda: False)
    with pytest.raises(
        DatasetError, match="a has pictures as video, which PyAV .* pip install av, or .*--cameras none"
    ):
        read_lerobot(tmp_path / "a")
    without = read_lerobot(tmp_path / "a", with_pictures=False)
    assert dataset_digest(without.episodes) == dataset_digest(e.without_fields() for e in dataset.episodes)


@needs_video
def test_video_that_was_changed_is_told(tmp_path, dataset) -> None:
    write_lerobot(tmp_path / "a", dataset)
    file, other = tmp_path / "a" / VIDEO, tmp_path / "other"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match="file-000.mp4 cannot be read: .* Expected a whole file of video"):
        read_lerobot(tmp_path / "a")
    file.unlink()
    with pytest.raises(DatasetError, match=f"{KEY} has too few pictures, expected 8 of 6 x 4"):
        read_lerobot(tmp_path / "a")
    for lengths, message in (((3, 6), "has more pictures than frames"), ((3, 4), "has too few pictures")):
        write_lerobot(other, make_dataset(lengths, TWO_CAMERAS))
        shutil.copy(other / VIDEO, file)
        shutil.rmtree(other)
        with pytest.raises(DatasetError, match=message):
            read_lerobot(tmp_path / "a")
    write_lerobot(other, Dataset(dataset.episodes[::-1], "kitchen"))
    shutil.copy(other / VIDEO, file)
    with pytest.raises(DatasetError, match=f"the digest is .*changed. Take the original again, or delete {KEPT}"):
        read_lerobot(tmp_path / "a")
    write_lerobot(
        tmp_path / "large", make_dataset((3, 5), replace(METADATA, more_fields=(replace(FRONT, shape=(8, 8, 3)),)))
    )
    shutil.copy(tmp_path / "large" / VIDEO, file)
    with pytest.raises(DatasetError, match="has one of 8 x 8 pixels, expected 8 of 6 x 4"):
        read_lerobot(tmp_path / "a")


def test_png_that_is_damaged_is_told(tmp_path, monkeypatch, dataset) -> None:
    monkeypatch.setattr(lerobot_pictures, "has_video", lambda: False)
    write_lerobot(tmp_path / "a", dataset)
    path = tmp_path / "a/data/chunk-000/file-000.parquet"
    table = parquet.read_table(path)
    rows = table[KEY].to_pylist()
    rows[2] = {**rows[2], "bytes": rows[2]["bytes"][:50]}
    place = table.column_names.index(KEY)
    parquet.write_table(table.set_column(place, KEY, pa.array(rows, table.schema.field(KEY).type)), path)
    with pytest.raises(DatasetError, match="a picture is no PNG file that can be read"):
        read_lerobot(tmp_path / "a")


def test_grey_and_coloured_pictures_keep_their_channels(tmp_path, kind, dataset) -> None:
    write_lerobot(tmp_path / "a", dataset)
    fields = read_lerobot(tmp_path / "a").episodes[0].fields
    assert (fields["front"].shape, fields["grey"].shape) == ((4, 4, 6, 3), (4, 7, 5, 1))


def test_dataset_without_pictures_is_written_as_before(tmp_path, kind) -> None:
    write_lerobot(tmp_path / "a", make_dataset())
    assert not (tmp_path / "a/videos").exists()
    assert parquet.read_schema(tmp_path / "a" / KEPT).names[0] == "record"
    assert not any("picture" in name for name in parquet.read_schema(tmp_path / "a" / KEPT).names)
