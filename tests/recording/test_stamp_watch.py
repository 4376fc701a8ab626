import struct

import pytest

pytest.importorskip("spirl_msgs", reason="definitions of our messages come from the workspace: make setup")

from spirl_ros.recording.message_definitions import message_definition
from spirl_ros.recording.stamp_watch import StampWatch, has_stamp, stamp_ns

S = 1_000_000_000


def said(stamps_s, period_s: float = 0.01) -> list[str]:
    watch = StampWatch()
    told = [watch.follow(round(stamp_s * S), round(number * period_s * S)) for number, stamp_s in enumerate(stamps_s)]
    return [text for text in told if text]


TIMES_S = [1000.0 + 0.01 * number for number in range(200)]


@pytest.mark.parametrize(
    ("stamps_s", "expected"),
    [
        (TIMES_S, []),
        ([0.0] * 200, ["header.stamp is 0"]),
        ([1000.0] * 200, ["header.stamp stands still"]),
        ([1000.0 + number // 100 for number in range(400)], ["header.stamp stands still"]),  # whole seconds
        ([1000.0 + number // 50 / 2 for number in range(400)], []),  # half seconds are not told
        ([time_s - 1.5 * (time_s > 1001.0) for time_s in TIMES_S], ["the clock of its stamps was set back by 1.45 s"]),
        (
            [time_s + 9.0 * (time_s > 1001.0) for time_s in TIMES_S],
            ["the clock of its stamps was set forward by 9.00 s"],
        ),
        ([900.0, *TIMES_S], []),  # the first was an old one
        ([0.3 * time_s for time_s in TIMES_S], []),  # a slow simulation
        ([*TIMES_S[:100], TIMES_S[90], *TIMES_S[100:]], []),  # one was overtaken
        ([time_s for time_s in TIMES_S for _ in range(2)], []),  # each is sent twice
    ],
)
def test_stamps_that_cannot_be_true_are_told_once(stamps_s, expected: list[str]) -> None:
    assert said(stamps_s) == expected


def test_network_that_stalls_is_no_clock_that_is_set() -> None:
    watch = StampWatch()
    for number, time_s in enumerate(TIMES_S):
        received_s = 0.01 * number if not 50 < number < 150 else 1.5 + 1e-4 * number
        assert watch.follow(round(time_s * S), round(max(received_s, 0.01 * number) * S)) == ""


@pytest.mark.parametrize(
    "name", ["sensor_msgs/msg/JointState", "spirl_msgs/msg/TaskStatus", "spirl_msgs/msg/SceneState"]
)
def test_stamp_is_read_from_the_serialised_message(name: str) -> None:
    assert has_stamp(message_definition(name).text)
    for flag, order in ((1, "<"), (0, ">")):
        assert stamp_ns(bytes([0, flag, 0, 0]) + struct.pack(f"{order}iI", 7, 5)) == 7 * S + 5


def test_messages_without_a_header_have_no_stamp() -> None:
    assert not has_stamp(message_definition("std_msgs/msg/Float64MultiArray").text)
    assert not has_stamp(message_definition("std_msgs/msg/String").text)
