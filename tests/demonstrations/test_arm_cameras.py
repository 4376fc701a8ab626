"""Pictures of cameras beside an arm become fields of its episodes, and what is wrong with them is told."""

import json
import re
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("spirl_msgs", reason="definitions of our messages come from the workspace: make setup")

from spirl_ros.arms.robot_configuration import read_robot
from spirl_ros.commands.main import main
from spirl_ros.demonstrations import recorded_pictures
from spirl_ros.demonstrations.arm_recording import import_arm_recordings
from spirl_ros.demonstrations.asked_pictures import asked_pictures
from spirl_ros.demonstrations.recorded_pictures import resized
from spirl_ros.demonstrations.storage import read_dataset
from spirl_ros.errors import ConfigError, DatasetError
from tests.demonstrations.camera_bags import compressed, image, record_seeing, scene, stamp
from tests.demonstrations.test_arm_recording import swing

ROBOT = read_robot("ur5e")
TIMES_S = np.arange(0.0, 1.01, 0.01)
TOPIC = "/camera/wrist/image_raw"
SHOT_S = np.arange(0.0, 1.0, 0.04)
"""25 pictures a second; a control step lasts 0.05 s."""
LATENCY_S = 0.03


def shots(make=image, times_s=SHOT_S, latency_s: float = LATENCY_S, **options):
    """Picture n of the camera at the n-th time, received a little later."""
    return [(time_s + latency_s, make(scene(n), time_s, **options)) for n, time_s in enumerate(times_s.tolist())]


def record(folder: Path, seen=None, topic: str = TOPIC, times_s=TIMES_S, **more) -> Path:
    return record_seeing(folder, ROBOT, times_s, swing(times_s), {topic: shots() if seen is None else seen}, **more)


def seen_in(folder: Path, cameras: str = "wrist", size: str | None = None, max_age_s: float | None = None):
    (episode,) = import_arm_recordings([folder], ROBOT, pictures=asked_pictures(cameras, size, max_age_s)).episodes
    return episode


def test_each_observation_has_the_newest_picture_before_it(tmp_path) -> None:
    """Observations at 0, 0.05, 0.10 s, …, pictures at 0, 0.04, 0.08 s, …: pictures 0, 1, 2, 3, 5, 6, …"""
    episode = seen_in(record(tmp_path / "bag"))
    (field,) = episode.metadata.more_fields
    assert (field.name, field.shape, field.source) == ("wrist", (24, 32, 3), "wrist")
    expected = np.floor(0.05 * np.arange(episode.steps + 1) / 0.04 + 1e-6).astype(int)
    assert expected[:6].tolist() == [0, 1, 2, 3, 5, 6]
    np.testing.assert_array_equal(episode.fields["wrist"], [scene(min(n, 24)) for n in expected])
    without = import_arm_recordings([tmp_path / "bag"], ROBOT).episodes[0]
    np.testing.assert_array_equal(episode.observations, without.observations)
    assert not without.fields


@pytest.mark.parametrize(
    ("make", "options"),
    [(image, {"encoding": "bgr8"}), (compressed, {"kind": "png"}), (compressed, {"kind": "jpeg"})],
    ids=["bgr8", "png", "jpeg"],
)
def test_encodings_give_the_same_colours(tmp_path, make, options: dict) -> None:
    topic = TOPIC if make is image else f"{TOPIC}/compressed"
    found = seen_in(record(tmp_path / "bag", shots(make, **options), topic)).fields["wrist"]
    expected = seen_in(record(tmp_path / "plain")).fields["wrist"]
    if options.get("kind") == "jpeg":  # which is lossy, most at edges
        assert np.abs(found.astype(float) - expected).mean() < 3.0
    else:
        np.testing.assert_array_equal(found, expected)


def test_grey_pictures_have_one_channel(tmp_path) -> None:
    for name, make in (("raw", image), ("png", compressed)):
        options = {"encoding": "mono8"} if make is image else {}
        seen = [(t + LATENCY_S, make(scene(n, channels=1), t, **options)) for n, t in enumerate(SHOT_S.tolist())]
        episode = seen_in(record(tmp_path / name, seen, TOPIC if make is image else f"{TOPIC}/compressed"))
        assert episode.metadata.more_fields[0].shape == (24, 32, 1)
        np.testing.assert_array_equal(episode.fields["wrist"][0], scene(0, channels=1))


def test_pictures_are_resized_by_the_mean_of_blocks() -> None:
    picture = np.arange(24, dtype=np.uint8).reshape(4, 6, 1)
    # Rows 0 and 1, columns 0 to 2: the mean of 0, 1, 2, 6, 7, 8 is 4.
    np.testing.assert_array_equal(resized(picture, (2, 2, 1))[..., 0], [[4, 7], [16, 19]])
    assert resized(scene(0, 48, 64), (36, 36, 3)).shape == (36, 36, 3)
    flat = np.full((10, 10, 3), 77, np.uint8)
    np.testing.assert_array_equal(resized(flat, (7, 3, 3)), np.full((7, 3, 3), 77))


def test_command_takes_every_camera_in_the_size_that_is_asked_for(tmp_path, capsys) -> None:
    wide = [(t, image(scene(n, 48, 64), t)) for n, t in enumerate(SHOT_S.tolist())]
    topics = {TOPIC: shots(), "/left/camera/front/image_raw/compressed": shots(compressed), "/odd": wide}
    record_seeing(tmp_path / "bags" / "one", ROBOT, TIMES_S, swing(TIMES_S), topics)
    command = ["demos", "import", str(tmp_path / "bags"), "--robot", "ur5e", "--out"]
    assert main([*command, str(tmp_path / "none")]) == 0
    assert "left out: pictures of front,wrist. Take them with --cameras front,wrist.\n" in capsys.readouterr().out
    assert main([*command, str(tmp_path / "all"), "--cameras", "all", "--picture-size", "16x12"]) == 0
    dataset = read_dataset(tmp_path / "all")
    (episode,) = dataset.episodes
    assert {name: values.shape[1:] for name, values in episode.fields.items()} == {
        "front": (12, 16, 3),
        "wrist": (12, 16, 3),
    }
    assert dataset.origin["cameras"]["wrist"] == "32 x 24 pixels in colours, resized to 16 x 12"
    np.testing.assert_array_equal(episode.fields["wrist"], episode.fields["front"])
    blocks = scene(0).reshape(12, 2, 16, 2, 3).mean((1, 3))
    np.testing.assert_array_equal(episode.fields["wrist"][0], np.floor(blocks + 0.5))
    assert main([*command, str(tmp_path / "named"), "--cameras", "wrist,other=odd"]) == 0
    assert read_dataset(tmp_path / "named").episodes[0].fields["other"].shape[1:] == (48, 64, 3)


def test_episode_begins_with_the_first_picture(tmp_path) -> None:
    """Pictures from 0.32 s to 0.96 s: 13 control steps are left of 20 until 1 s."""
    episode = seen_in(record(tmp_path / "bag", [shot for shot in shots() if shot[0] > 0.32]))
    assert episode.steps == 13
    np.testing.assert_allclose(episode.observations[0], swing(np.array([0.32]))[0], atol=1e-9)
    np.testing.assert_array_equal(episode.fields["wrist"][0], scene(8))
    late = [shot for shot in shots() if shot[0] > 0.7]
    dataset = import_arm_recordings(
        [record(tmp_path / "late", late)], ROBOT, pictures=asked_pictures("all", None, None)
    )
    assert dataset.origin["pictures"] == ["late: begins 0.680 s later, with its pictures"]


def of_picture(number: int, **changes):
    """All pictures, of which one has other contents."""
    seen = shots()
    kind, content = seen[number][1]
    seen[number] = (seen[number][0], (kind, {**content, **changes}))
    return seen


def frozen() -> list:
    return [(t + LATENCY_S, image(scene(0), t)) for t in np.arange(0.0, 2.5, 0.04).tolist()]


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (
            of_picture(7, encoding="16UC1"),
            "picture 7 on .*: camera 'wrist' sends '16UC1', expected one of mono8, rgb8",
        ),
        (of_picture(7, encoding="bayer_rggb8"), "convert its pictures with image_proc"),
        (
            of_picture(7, height=12, width=64),
            "picture 7 on .*: camera 'wrist' sends 64 x 12 pixels in colours, but 32 x 24 pixels in colours before: "
            "that changed in the middle. Cut the recording there",
        ),
        (of_picture(5, data=b"123"), "picture 5 on .*: camera 'wrist' sends 3 bytes in rows of 96, expected 24 rows"),
        (of_picture(0, height=0), "picture 0 on .*: camera 'wrist' sends 32 x 0 pixels"),
        (of_picture(0, height=2**31, width=2**31), "sends 2147483648 x 2147483648 pixels, expected at most"),
        (of_picture(10, data=bytes(2304)), r"after 0.400 s camera 'wrist' shows nothing but black. Uncover it"),
        (
            shots()[:10] + shots()[18:],
            "3 of 21 observations have no picture, the first after 0.600 s: the newest is "
            "0.240 s older, expected one at most 0.2 s older. .* --max-picture-age",
        ),
        (frozen(), r"after 1.\d+ s camera 'wrist' has shown the same picture for 1.\d s while the arm moved"),
        (
            [],
            "has no picture on camera/wrist/image_raw or .*/compressed; cameras there: none. Record",
        ),
    ],
    ids=["depth", "bayer", "size", "short", "empty", "huge", "black", "late", "frozen", "missing"],
)
def test_pictures_that_cannot_be_used_are_told_in_one_line(tmp_path, capsys, seen, told: str) -> None:
    record(tmp_path / "bag", seen, times_s=np.arange(0.0, 2.3 if len(seen) > 30 else 1.01, 0.01))
    command = ["demos", "import", str(tmp_path / "bag"), "--robot", "ur5e", "--cameras", "wrist"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {tmp_path / 'bag'}") and error.count("\n") == 1
    assert re.search(told, error), error
    assert not (tmp_path / "out").exists()
    assert main([*command[:-2], "--out", str(tmp_path / "out"), "--cameras", "none"]) == 0


def png_that_claims(side: int) -> bytes:
    """A few bytes that say they are side x side pixels."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(bytes(100)))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"data": png_that_claims(60_000)}, "picture 3 on .* sends more pixels than 33554432"),
        ({"data": png_that_claims(10_000)}, "picture 3 on .* sends more pixels than 33554432"),
        ({"data": png_that_claims(7_000)}, "sends 7000 x 7000 pixels, expected at most 33554432"),
        ({"data": b"no picture", "format": "h264"}, "camera 'wrist' sends 'h264', expected jpeg or png"),
        ({"data": compressed(scene(0), 0.0)[1]["data"][:-35]}, "picture 3 on .* sends a damaged 'rgb8; png"),
        (
            {"data": compressed(np.zeros((24, 32, 1), np.uint16), 0.0)[1]["data"], "format": "16UC1; png"},
            "camera 'wrist' sends '16UC1; png' with pixels of I;16, expected 8 bits of grey or colours. Depth is",
        ),
        ({"data": compressed(scene(0, 12, 32), 0.0)[1]["data"]}, "sends 32 x 12 pixels in colours, but 32 x 24"),
    ],
    ids=["bomb", "large", "too large", "video", "cut", "depth", "size"],
)
def test_compressed_picture_that_cannot_be_used_is_told(tmp_path, change: dict, told: str) -> None:
    seen = shots(compressed)
    seen[3] = (seen[3][0], (seen[3][1][0], {**seen[3][1][1], **change}))
    with pytest.raises(DatasetError, match=told) as error:
        seen_in(record(tmp_path / "bag", seen, f"{TOPIC}/compressed"))
    assert "\n" not in str(error.value)


def test_older_pictures_are_taken_where_that_is_asked_for(tmp_path) -> None:
    episode = seen_in(record(tmp_path / "bag", shots()[:10] + shots()[18:]), max_age_s=0.4)
    np.testing.assert_array_equal(episode.fields["wrist"][12], scene(9))
    with pytest.raises(DatasetError, match="expected one of the same moment"):
        seen_in(tmp_path / "bag", max_age_s=0.0)


@pytest.mark.parametrize("off_s", [-30.0, 0.5, 4000.0])
def test_camera_of_another_clock_is_taken_as_received(tmp_path, off_s: float) -> None:
    """Its computer's clock was never set: no picture was older than 0.2 s, or every one was from the future."""
    seen = [(t + LATENCY_S, image(scene(n), t, header=stamp(t + off_s))) for n, t in enumerate(SHOT_S.tolist())]
    dataset = import_arm_recordings(
        [record(tmp_path / "bag", seen)], ROBOT, pictures=asked_pictures("wrist", None, None)
    )
    (episode,) = dataset.episodes
    (note,) = dataset.origin["pictures"]
    assert f"bag: camera 'wrist': stamps are {off_s - LATENCY_S:+.3f} s off the arm's" in note
    # The first was received after 0.03 s, so the observations are at 0.03, 0.08, 0.13 s, …
    expected = np.floor(0.05 * np.arange(episode.steps + 1) / 0.04 + 1e-6).astype(int)
    np.testing.assert_array_equal(episode.fields["wrist"], [scene(min(n, 24)) for n in expected])


def test_camera_without_stamps_is_taken_as_sent(tmp_path) -> None:
    nothing = {"stamp": {"sec": 0, "nanosec": 0}, "frame_id": ""}
    seen = [(t + LATENCY_S, image(scene(n), t, header=nothing)) for n, t in enumerate(SHOT_S.tolist())]
    dataset = import_arm_recordings([record(tmp_path / "bag", seen)], ROBOT, pictures=asked_pictures("all", None, None))
    np.testing.assert_array_equal(dataset.episodes[0].fields["wrist"][1], scene(1))
    assert dataset.origin["pictures"] == ["bag: camera 'wrist': header.stamp is 0: measured when it was sent"]


def test_cameras_of_different_sizes_need_one_that_is_asked_for(tmp_path) -> None:
    record(tmp_path / "a")
    record(tmp_path / "b", [(t, image(scene(n, 48, 64), t)) for n, t in enumerate(SHOT_S.tolist())])
    both = [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(DatasetError, match="b: camera 'wrist' gives 64 x 48 .*, but 32 x 24 .*--picture-size"):
        import_arm_recordings(both, ROBOT, pictures=asked_pictures("wrist", None, None))
    dataset = import_arm_recordings(both, ROBOT, pictures=asked_pictures("wrist", "8x8", None))
    assert [episode.fields["wrist"].shape for episode in dataset.episodes] == [(21, 8, 8, 3)] * 2


def test_two_topics_of_a_camera_are_told_and_the_whole_name_decides(tmp_path) -> None:
    seen = {"/left" + TOPIC: shots()[1:], "/right" + TOPIC: shots(), TOPIC + "/compressed": shots(compressed)}
    record_seeing(tmp_path / "bag", ROBOT, TIMES_S, swing(TIMES_S), seen)
    with pytest.raises(DatasetError, match=r"has both /left.* and /right.*: --cameras wrist=TOPIC"):
        seen_in(tmp_path / "bag")
    episode = seen_in(tmp_path / "bag", f"wrist=right{TOPIC}")
    np.testing.assert_array_equal(episode.fields["wrist"][0], scene(0))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--cameras", "a-b"], "camera 'a-b' cannot name a field, expected letters, digits and _"),
        (["--cameras", "state"], "camera 'state' cannot name a field"),
        (["--cameras", "wrist,wrist"], "expected each camera once"),
        (["--cameras", "wrist", "--picture-size", "64"], "--picture-size is '64', expected WIDTHxHEIGHT"),
        (["--cameras", "wrist", "--picture-size", "0x64"], "expected WIDTHxHEIGHT"),
        (["--cameras", "wrist", "--picture-size", "9999x64"], "expected at most 4096 pixels a side"),
        (["--cameras", "wrist", "--max-picture-age", "-1"], "--max-picture-age is -1, expected 0 to 10 s"),
        (["--cameras", "wrist", "--max-picture-age", "nan"], "--max-picture-age is nan, expected 0 to 10 s"),
    ],
)
def test_options_that_mean_nothing_are_told(tmp_path, capsys, options: list[str], told: str) -> None:
    record(tmp_path / "bag")
    command = ["demos", "import", str(tmp_path / "bag"), "--robot", "ur5e", "--out", str(tmp_path / "out")]
    assert main([*command, *options]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


def test_pictures_that_do_not_fit_into_memory_are_refused(tmp_path, monkeypatch) -> None:
    record(tmp_path / "bag")
    monkeypatch.setattr(recorded_pictures, "_NEVER_REFUSED_BYTES", 1000)
    monkeypatch.setattr(recorded_pictures, "_free_bytes", lambda: 90_000)
    with pytest.raises(ConfigError, match="21 pictures of 32 x 24 of camera 'wrist' take .* --picture-size"):
        seen_in(tmp_path / "bag")
    assert seen_in(tmp_path / "bag", size="8x8").fields["wrist"].shape == (21, 8, 8, 3)


def test_bag_of_another_writer_is_read(tmp_path) -> None:
    rosbag2 = pytest.importorskip("rosbags.rosbag2")
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    types = store.types

    def header(time_s: float):
        time = types["builtin_interfaces/msg/Time"](*divmod(round(time_s * 1e9), 10**9))
        return types["std_msgs/msg/Header"](time, "")

    with rosbag2.Writer(tmp_path / "bag", version=9, storage_plugin=rosbag2.StoragePlugin.MCAP) as writer:
        states = writer.add_connection("/joint_states", "sensor_msgs/msg/JointState", typestore=store)
        pictures = writer.add_connection(f"{TOPIC}/compressed", "sensor_msgs/msg/CompressedImage", typestore=store)
        for time_s, row in zip((TIMES_S + 5.0).tolist(), swing(TIMES_S), strict=True):
            state = types["sensor_msgs/msg/JointState"](
                header(time_s), list(ROBOT.limits.joint_names), row, np.zeros(0), np.zeros(0)
            )
            writer.write(states, round(time_s * 1e9), store.serialize_cdr(state, state.__msgtype__))
        for _, (_, content) in shots(compressed):
            when = content["header"]["stamp"]
            time_s = when["sec"] + when["nanosec"] * 1e-9
            data = np.frombuffer(content["data"], np.uint8)
            picture = types["sensor_msgs/msg/CompressedImage"](header(time_s), "png", data)
            writer.write(pictures, round(time_s * 1e9), store.serialize_cdr(picture, picture.__msgtype__))
    expected = seen_in(record(tmp_path / "ours"))
    found = seen_in(tmp_path / "bag")
    np.testing.assert_array_equal(found.fields["wrist"], expected.fields["wrist"])


def test_bad_pictures_of_one_recording_do_not_keep_the_others(tmp_path, capsys) -> None:
    record(tmp_path / "bags" / "good")
    record(tmp_path / "bags" / "bad", of_picture(10, data=bytes(2304)))
    command = ["demos", "import", str(tmp_path / "bags"), "--robot", "ur5e", "--cameras", "wrist", "--json"]
    assert main([*command, "--out", str(tmp_path / "out"), "--skip-bad"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["episodes"] == 1 and "nothing but black" in figures["left_out"][0]


def test_same_pictures_have_the_same_digest_whatever_their_message(tmp_path) -> None:
    record(tmp_path / "raw")
    record(tmp_path / "png", shots(compressed), f"{TOPIC}/compressed")
    raw, png = (seen_in(tmp_path / name) for name in ("raw", "png"))
    assert raw.fields["wrist"].tobytes() == png.fields["wrist"].tobytes()
    assert replace(raw.metadata, operator="") == replace(png.metadata, operator="")
