import pytest
import yaml
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory

from spirl_ros.errors import RecordingError
from tests.recording.small_bag import begin, message


def test_bag_appears_only_when_it_is_complete(tmp_path) -> None:
    writer = begin(tmp_path / "episode_000001", 3)
    assert [entry.name for entry in tmp_path.iterdir()] == [".episode_000001.recording"]
    content = writer.finish({"is_success": "true"})
    assert content.messages == 3
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "episode_000001",
        "episode_000001_0.mcap",
        "metadata.yaml",
    ]


def test_what_was_flushed_is_on_the_disk_before_the_end(tmp_path) -> None:
    writer = begin(tmp_path / "bag", 0)
    size = writer.bytes
    writer.write(message(1))
    assert writer.bytes == size
    writer.flush()
    path = tmp_path / ".bag.recording" / "bag_0.mcap"
    assert path.stat().st_size == writer.bytes > size


def test_mcap_library_reads_every_message_back(tmp_path) -> None:
    begin(tmp_path / "bag", 25).finish({"note": "äöü"})
    with (tmp_path / "bag" / "bag_0.mcap").open("rb") as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()], validate_crcs=True)
        found = [
            (channel.topic, raw.log_time - raw.publish_time, raw.sequence, decoded.data)
            for _, channel, raw, decoded in reader.iter_decoded_messages()
        ]
        assert reader.get_header().profile == "ros2"
        summary = reader.get_summary()
        assert summary is not None and {index.compression for index in summary.chunk_indexes} == {"lz4"}
    assert found == [("/count", 10**6, value, value) for value in range(25)]


def test_rosbags_reads_every_message_back(tmp_path) -> None:
    rosbag2 = pytest.importorskip("rosbags.rosbag2")
    typesys = pytest.importorskip("rosbags.typesys")
    begin(tmp_path / "bag", 25).finish({"is_success": "true"})
    store = typesys.get_typestore(typesys.Stores.ROS2_JAZZY)
    with rosbag2.Reader(tmp_path / "bag") as reader:
        assert (reader.message_count, reader.start_time) == (25, 10**9 + 10**6)
        assert {connection.topic: connection.msgcount for connection in reader.connections} == {
            "/count": 25,
            "/other": 0,
        }
        values = [store.deserialize_cdr(data, connection.msgtype).data for connection, _, data in reader.messages()]
    assert values == list(range(25))


def test_metadata_is_what_rosbag2_of_jazzy_writes(tmp_path) -> None:
    """Key by key as convert<BagMetadata>::encode in rosbag2_storage/yaml.hpp, branch jazzy, has them."""
    begin(tmp_path / "bag", 2).finish({"is_success": "false"})
    information = yaml.safe_load((tmp_path / "bag" / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert list(information) == [
        "version",
        "storage_identifier",
        "duration",
        "starting_time",
        "message_count",
        "topics_with_message_count",
        "compression_format",
        "compression_mode",
        "relative_file_paths",
        "files",
        "custom_data",
        "ros_distro",
    ]
    assert (information["version"], information["storage_identifier"]) == (9, "mcap")
    assert information["duration"] == {"nanoseconds": 10**9}
    assert information["starting_time"] == {"nanoseconds_since_epoch": 10**9 + 10**6}
    assert information["relative_file_paths"] == ["bag_0.mcap"]
    assert information["files"][0] == {
        "path": "bag_0.mcap",
        "starting_time": information["starting_time"],
        "duration": information["duration"],
        "message_count": 2,
    }
    assert information["custom_data"] == {"task": "kitchen", "operator": "anna", "is_success": "false"}
    topic = information["topics_with_message_count"][0]
    assert topic["message_count"] == 2
    assert list(topic["topic_metadata"]) == [
        "name",
        "type",
        "serialization_format",
        "offered_qos_profiles",
        "type_description_hash",
    ]
    qos = topic["topic_metadata"]["offered_qos_profiles"][0]
    assert (qos["history"], qos["reliability"], qos["durability"]) == ("keep_last", "reliable", "volatile")
    assert qos["deadline"] == {"sec": 9223372036, "nsec": 854775807}


def test_file_that_changed_under_the_recorder_is_noticed_and_kept(tmp_path) -> None:
    writer = begin(tmp_path / "bag", 30)
    path = tmp_path / ".bag.recording" / "bag_0.mcap"
    with path.open("r+b") as file:
        file.seek(path.stat().st_size - 200)
        file.write(bytes(50))
    with pytest.raises(RecordingError, match="does not hold what was written"):
        writer.finish({})
    assert path.is_file() and not (tmp_path / "bag").exists()
