"""Recordings of the kitchen by computers whose clocks do not agree, or were set meanwhile."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("spirl_msgs", reason="definitions of our messages come from the workspace: make setup")

from spirl_ros.demonstrations.formats.bag_export import write_bags
from spirl_ros.demonstrations.formats.bag_import import import_bags
from spirl_ros.errors import DatasetError
from spirl_ros.recording.bag_metadata import BagTopic
from spirl_ros.recording.bag_reader import BagFile
from spirl_ros.recording.bag_writer import BagWriter, RawMessage
from tests.demonstrations.formats.test_bag_import import kitchen_dataset

S = 10**9


def with_sending_times(
    bag: Path, sent_ns: Callable[[str, int], int], stamp_moved: tuple[int, int] = (40 * S, 0)
) -> Path:
    """The same bag, received as before, with other times of sending.

    Args:
        bag: 30 control steps of 0.08 s.
        sent_ns: of topic and former time of sending [ns].
        stamp_moved: from when on stamps are moved, and by how much [ns].
    """
    source = BagFile(bag / f"{bag.name}_0.mcap")
    messages = source.read_all()
    topics = [
        BagTopic(channel.topic, source.schemas[channel.schema_id].name, source.schemas[channel.schema_id].data.decode())
        for channel in source.channels.values()
    ]
    numbers, target = list(source.channels), bag.with_name("changed")
    writer, begin_ns = BagWriter(target, topics, {}), messages[0].log_time
    for message in messages:
        topic, data = source.channels[message.channel_id].topic, message.data
        if topic in ("/joint_states", "/scene_state", "/task_status") and message.log_time - begin_ns >= stamp_moved[0]:
            stamp_ns = message.log_time + stamp_moved[1]
            data = data[:4] + np.array([stamp_ns // S, stamp_ns % S], "<u4").tobytes() + data[12:]
        sent = sent_ns(topic, message.publish_time)
        writer.write(RawMessage(numbers.index(message.channel_id), message.log_time, sent, 0, data))
    writer.finish({})
    return target


@pytest.fixture
def dataset():
    return kitchen_dataset([30])


@pytest.fixture
def bag(tmp_path, dataset) -> Path:
    write_bags(tmp_path / "bags", dataset)
    return tmp_path / "bags" / "episode_000001"


@pytest.mark.parametrize("offset_s", [-1, 1, 3600])
def test_operator_on_a_computer_with_another_clock_acts_in_the_same_control_steps(bag, dataset, offset_s: int) -> None:
    """Its actions were taken for those of other control steps, or for none."""
    is_there = lambda topic: topic == "/operator_action"  # noqa: E731
    changed = with_sending_times(bag, lambda topic, sent_ns: sent_ns + offset_s * S * is_there(topic))
    (episode,) = import_bags([changed]).episodes
    np.testing.assert_array_equal(episode.actions, dataset.episodes[0].actions)
    np.testing.assert_allclose(episode.executed_actions, dataset.episodes[0].executed_actions, rtol=0.0, atol=1e-12)


def test_clock_that_moves_under_the_messages_alone_changes_nothing(bag, dataset) -> None:
    """Stamps of /clock, times of sending of the computer, which was set back by 1 s half way."""
    half_ns = BagFile(bag / f"{bag.name}_0.mcap").read_all()[0].log_time + 3 * S // 4
    changed = with_sending_times(bag, lambda topic, sent_ns: sent_ns - S * (sent_ns >= half_ns))
    (episode,) = import_bags([changed]).episodes
    np.testing.assert_array_equal(episode.actions, dataset.episodes[0].actions)
    np.testing.assert_array_equal(episode.observations, dataset.episodes[0].observations)


@pytest.mark.parametrize(("moved_ns", "said"), [(-S, "back by 1.000 s"), (10 * S, "forward by 10.000 s")])
def test_clock_of_control_steps_that_is_set_is_refused_with_its_name(bag, moved_ns: int, said: str) -> None:
    """It was refused for control steps that were lost, or lasted -0.95 s."""
    changed = with_sending_times(bag, lambda topic, sent_ns: sent_ns, (S, moved_ns))
    with pytest.raises(DatasetError, match=f"stamps task_status was set {said} before control step 13 of episode 1"):
        import_bags([changed])
