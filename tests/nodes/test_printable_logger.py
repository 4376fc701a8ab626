"""Names from outside in the log of a node."""

import pytest

pytest.importorskip("rclpy")

from spirl_ros.nodes.graph.printable_logger import PrintableLogger


def test_a_name_forges_no_line_and_moves_no_cursor(capfd: pytest.CaptureFixture) -> None:
    """A joint's name cleared the terminal and wrote a line that looked like a message of the node."""
    logger = PrintableLogger("arm")
    logger.error("joint a\x1b[2J\n[INFO] [1.0] [arm]: all is well is unknown")
    told = "".join(capfd.readouterr())
    assert "\x1b[2J" not in told and "a\\x1b[2J" in told
    assert not any(line.startswith("[INFO]") for line in told.splitlines())


def test_messages_are_throttled_by_the_line_that_logs_them(capfd: pytest.CaptureFixture) -> None:
    logger = PrintableLogger("arm")
    for _ in range(3):
        logger.error("first", throttle_duration_sec=10.0)
        logger.error("second", throttle_duration_sec=10.0)
    told = "".join(capfd.readouterr())
    assert told.count("first") == told.count("second") == 1
