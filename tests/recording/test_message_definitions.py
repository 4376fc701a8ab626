import pytest

from spirl_ros.errors import RecordingError
from spirl_ros.recording.message_definitions import message_definition

pytest.importorskip("spirl_msgs")


def test_text_holds_every_nested_type_once() -> None:
    text = message_definition("spirl_msgs/msg/SceneState").text
    parts = text.split("=" * 80 + "\n")
    assert "float64[] position" in parts[0]
    assert [part.splitlines()[0] for part in parts[1:]] == ["MSG: std_msgs/Header", "MSG: builtin_interfaces/Time"]


@pytest.mark.parametrize(
    "name", ["std_msgs/msg/String", "sensor_msgs/msg/JointState", "trajectory_msgs/msg/JointTrajectory"]
)
def test_hash_is_the_one_that_others_compute(name: str) -> None:
    typesys = pytest.importorskip("rosbags.typesys")
    store = typesys.get_typestore(typesys.Stores.ROS2_JAZZY)
    assert message_definition(name).type_hash == store.hash_rihs01(name)


def test_text_of_our_own_types_is_understood_by_rosbags() -> None:
    typesys = pytest.importorskip("rosbags.typesys")
    definition = message_definition("spirl_msgs/msg/TaskStatus")
    first = definition.text.split("=" * 80)[0]
    assert "spirl_msgs/msg/TaskStatus" in typesys.get_types_from_msg(first, definition.type_name)
    store = typesys.get_typestore(typesys.Stores.ROS2_JAZZY)
    store.register(typesys.get_types_from_msg(first, definition.type_name))
    assert store.hash_rihs01(definition.type_name) == definition.type_hash


@pytest.mark.parametrize("name", ["std_msgs/msg/Nothing", "String", "std_msgs/String", ""])
def test_unknown_type_is_told_with_what_is_expected(name: str) -> None:
    with pytest.raises(RecordingError, match="expected|Expected"):
        message_definition(name)
