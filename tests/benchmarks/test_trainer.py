import pytest

pytest.importorskip("torch", reason="learning needs torch")
pytest.importorskip("onnxscript")
pytest.importorskip("mujoco")

from benchmarks.trainer import TrainerFigures


def test_table_shows_shares_and_what_each_kill_cost() -> None:
    kills = [
        {"alone": 1.0, "steps": 560.0, "kept": 580.0, "resumed_s": 7.25},
        {"alone": 0.0, "steps": 1120.0, "kept": 840.0, "resumed_s": 8.0},
    ]
    table = TrainerFigures(500.0, {"no gradient steps": 150.0}, kills, {"cores": 2}).table()
    assert "| no gradient steps | 150 | 30 % |" in table
    # What was on its way counts too: there may be more in the checkpoint than was recorded.
    assert "| trainer | 560 | 580 | 0 | 7.2 |" in table
    assert "| trainer and learner | 1120 | 840 | 280 | 8.0 |" in table
