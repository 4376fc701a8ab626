"""What the benchmark says is lost, on bags whose loss is known."""

import pytest

from benchmarks.recorder import RecorderFigures, _kill_writer, _lost_s
from tests.recording.small_bag import begin


def test_loss_counts_from_the_last_message_that_recovery_saves(tmp_path) -> None:
    """35 messages a second apart from 1 s on, the last 5 not flushed: number 29 was received at 30.001 s."""
    begin(tmp_path / "episode_000001", 35).abandon()
    assert _lost_s(tmp_path, killed_ns=36 * 10**9) == pytest.approx(36 - 30.001)


def test_nothing_left_is_no_figure(tmp_path) -> None:
    assert _lost_s(tmp_path, killed_ns=36 * 10**9) is None


def test_our_killed_writer_leaves_something() -> None:
    lost_s = _kill_writer("ours", 1.5)
    assert lost_s is not None and lost_s < 1.5


def test_table_counts_what_was_recovered() -> None:
    figures = RecorderFigures(60.0, 7.26, 24000, 3, [0.1, 0.3, 0.2], {"peer": [None, None]}, {"cores": 2})
    lines = figures.table().splitlines()
    assert "| processor time | 7.3 % of a core |" in lines
    assert "| messages lost | 3 of 24000 |" in lines
    assert "| recorder, over DDS | 3 | 3 | 0.20 | 0.30 |" in lines
    assert "| peer | 2 | 0 | all | all |" in lines
