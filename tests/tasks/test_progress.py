import pytest

from spirl_ros.errors import ConfigError
from spirl_ros.tasks.progress import SubtaskProgress


def test_in_order_only_the_next_subtask_counts() -> None:
    progress = SubtaskProgress(("a", "b", "c"))
    assert progress.update({"b"}, 1) == 0.0
    assert progress.update({"a", "b"}, 2) == 2.0, "b is still done when its turn comes"
    assert progress.update({"a", "b"}, 3) == 0.0
    assert progress.completed_at_step == {"b": 1, "a": 2}
    assert not progress.is_complete


def test_in_order_early_subtask_that_was_undone_must_be_done_again() -> None:
    progress = SubtaskProgress(("a", "b"))
    progress.update({"b"}, 1)
    assert progress.update({"a"}, 2) == 1.0
    assert progress.update({"a", "b"}, 3) == 1.0
    assert progress.is_complete


def test_any_order_counts_each_target_once_and_ignores_others() -> None:
    progress = SubtaskProgress(("a", "b"), count="any")
    assert progress.update({"b", "x"}, 1) == 1.0
    assert progress.update(set(), 2) == 0.0
    assert progress.update({"b"}, 3) == 0.0, "undone and done again pays nothing"
    assert progress.update({"a"}, 4) == 1.0
    assert progress.is_complete
    assert progress.completed_at_step == {"b": 1, "x": 1, "a": 4}


def test_both_counts_are_kept_whichever_is_rewarded() -> None:
    for count in ("ordered", "any"):
        progress = SubtaskProgress(("a", "b"), count=count)
        progress.update({"b"}, 1)
        assert (progress.completed_in_order, progress.completed_any_order) == (0, 1)


def test_copy_is_independent() -> None:
    progress = SubtaskProgress(("a", "b"))
    copy = progress.copy()
    progress.update({"a"}, 1)
    assert (copy.completed_in_order, copy.completed_at_step) == (0, {})


def test_unknown_count_is_refused() -> None:
    with pytest.raises(ConfigError, match="ordered, any"):
        SubtaskProgress(("a",), count="all")
