from pathlib import Path

import pytest

pytest.importorskip("mujoco")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

from benchmarks import control
from benchmarks.control import ControlFigures, Timing, _at_rate
from spirl_ros.deployment.bundle import load_bundle
from spirl_ros.shipped import shipped
from tests.nodes.kitchen_bundle import write_kitchen_bundle


def test_bundle_at_another_rate_is_the_same_otherwise(tmp_path: Path) -> None:
    bundle = write_kitchen_bundle(tmp_path / "first")
    fast = load_bundle(_at_rate(bundle, tmp_path / "fast", 100.0), "cpu").description
    assert fast.control_rate_hz == 100.0
    assert fast.files == load_bundle(bundle, "cpu").description.files


def test_table_shows_milliseconds_and_quantiles() -> None:
    figures = ControlFigures(
        timings={"quiet": Timing("SCHED_FIFO 50", 0.4, 1.5, 0.3, 0.2)},
        executor_cpu_percent=12.34,
        lockstep_steps_per_s={"by topic": 120.4},
        in_process_steps_per_s=500.0,
        reactions_s={"stop": [0.01, 0.02, 0.03]},
        reactions_missing=1,
        machine={"cores": 2},
    )
    table = figures.table()
    assert "| quiet | SCHED_FIFO 50 | 0.40 | 1.50 | 0.30 | 0.2 |" in table
    # Of 10, 20 and 30 ms the 90th percentile is four fifths of the way from the second to the third.
    assert "| stop | 3 | 20 | 28 | 30 |" in table
    assert "12.3 % of a core" in table and "120 control steps/s" in table
    assert "\n1 reactions could not be timed.\n" in table
    assert figures.as_dict()["machine"] == {"cores": 2}


@pytest.mark.slow
def test_the_whole_of_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It never came to its end: after an episode that random skills had ended, no skill was under way to be braked."""
    pytest.importorskip("spirl_msgs")
    monkeypatch.setattr(control, "_TICKS_OF_DIAGNOSTICS", 100)
    monkeypatch.setattr(control, "_CPU_S", 2.0)
    monkeypatch.setattr(control, "HOGS", 1)  # tests beside this one want the other processor
    monkeypatch.setattr(control, "PRIORITIES", {"SCHED_FIFO asked for": 50})
    figures = control.measure_control(shipped("models/kitchen"), rounds=2)
    assert {name: len(times_s) for name, times_s in figures.reactions_s.items()} == {
        "simulator stopped: states stale, braking": 2,
        "service stop: braking": 2,
    }
    assert len(figures.timings) == 2 and figures.reactions_missing == 0
    assert "control steps/s" in figures.table()
