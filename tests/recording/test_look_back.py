from spirl_ros.recording.bag_writer import RawMessage
from spirl_ros.recording.look_back import LookBack

MS = 1_000_000


def message(received_ms: int, sent_ms: int) -> RawMessage:
    return RawMessage(0, received_ms * MS, sent_ms * MS, 0, b"")


def test_what_is_too_old_is_forgotten_whatever_its_sender_says() -> None:
    """It was kept for as long as the sender's clock had been set back: 0.7 MB/s, all of it in the next episode."""
    look_back = LookBack(100 * MS)
    for received_ms in range(0, 10_000, 10):
        sent_ms = received_ms + 10**7 - (3_600_000 if received_ms > 5_000 else 0)
        look_back.remember([message(received_ms, sent_ms)])
    assert [one.log_time_ns // MS for one in look_back.before(9_990 * MS)] == list(range(9_890, 10_000, 10))


def test_what_came_long_before_a_start_does_not_belong_to_it() -> None:
    look_back = LookBack(100 * MS)
    look_back.remember([message(0, 0), message(50, 50)])
    assert len(look_back.before(100 * MS)) == 2
    assert look_back.before(90_000 * MS) == []


def test_messages_move_with_their_clock() -> None:
    look_back = LookBack(100 * MS)
    look_back.remember([message(0, 0)])
    look_back.move(-7 * MS)
    assert [one.log_time_ns for one in look_back.before(0)] == [-7 * MS]
