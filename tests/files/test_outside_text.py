"""Texts and values from outside in messages."""

import time

import numpy as np

from spirl_ros.errors import ConfigError, explain
from spirl_ros.files.outside_text import printable, shortened


def test_the_whole_of_a_huge_value_is_never_written_out() -> None:
    """A list of lists of lists that stood for 10^9 texts was written into a message in full."""
    laughs: list = ["x"] * 10
    for _ in range(30):
        laughs = [laughs] * 10
    begin_s = time.monotonic()
    for value in (laughs, {"a": laughs}, "x" * 10**7, b"x" * 10**7, 10**100_000, np.zeros(10**6), set(range(10**6))):
        assert len(shortened(value)) <= 80
    assert time.monotonic() - begin_s < 1.0
    assert shortened("arm") == "'arm'" and shortened([1, 2.5, None]) == "[1, 2.5, None]"
    assert shortened("x" * 100, limit=10) in ("'xx...xxx'", "'xxxxxxxx…", "'xx...xx'")


def test_control_characters_are_escaped() -> None:
    """A joint's name cleared the terminal and wrote a line of its own into the log."""
    name = "arm\x1b[2J\n[INFO] all is well\u202e\x9b\ud800"
    for text in (shortened(name), shortened([name]), printable(name)):
        assert text.isprintable()
    assert printable("joint ü of arm") == "joint ü of arm"
    assert printable("a\tb\x1b\n") == "a\\tb\\x1b "
    assert printable("x" * 2000) == "x" * 999 + "…"


def test_no_error_moves_the_cursor_or_looks_like_two() -> None:
    error = ConfigError("joint 'a\x1b[2J\nerror: all is well' is unknown.")
    assert explain(error) == "joint 'a\\x1b[2J error: all is well' is unknown."
