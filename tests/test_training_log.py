"""Metrics and TensorBoard events say the same, also after a training went on from an earlier step."""

import time
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="learning needs torch")

from spirl_ros.training_folder import TrainingFolder
from spirl_ros.training_log import TrainingLog
from tests.training_events import events_of


def test_every_number_is_an_event_and_a_truth_value_is_none(tmp_path: Path) -> None:
    folder = TrainingFolder(tmp_path)
    with TrainingLog(folder, step=0) as log:
        log.add("evaluation", {"step": 3, "updates": 7}, ordered=2.5, is_best=True)
        log.add_event("episode/recent", 0.5, 4)
    assert folder.metrics() == [{"step": 3, "updates": 7, "part": "evaluation", "ordered": 2.5, "is_best": True}]
    assert events_of(tmp_path) == {"evaluation/ordered": [(3, 2.5)], "episode/recent": [(4, 0.5)]}


def test_what_a_continued_training_writes_again_is_shown_once(tmp_path: Path) -> None:
    folder = TrainingFolder(tmp_path)
    with TrainingLog(folder, step=0) as log:
        for step in (1, 2, 3):
            log.add("update", {"step": step}, loss=float(step))
    # TensorBoard reads files in the order of their names, which begin with the second they were made in.
    made_s = int(time.time())
    while int(time.time()) == made_s:
        time.sleep(0.05)
    with TrainingLog(folder, step=1) as log:
        for step in (2, 3):
            log.add("update", {"step": step}, loss=float(10 * step))
    assert [values["loss"] for values in folder.metrics()] == [1.0, 20.0, 30.0]
    assert events_of(tmp_path) == {"update/loss": [(1, 1.0), (2, 20.0), (3, 30.0)]}


def test_flushed_events_can_be_read_while_the_training_runs(tmp_path: Path) -> None:
    with TrainingLog(TrainingFolder(tmp_path), step=0) as log:
        log.add("update", {"step": 1}, loss=0.25)
        log.flush()
        assert events_of(tmp_path) == {"update/loss": [(1, 0.25)]}
