import pytest

pytest.importorskip("onnxruntime")

from benchmarks.skill_inference import measure_robot_process
from tests.deployment.small_bundle import write_bundle


def test_robot_process_starts_without_torch_and_reports_its_memory(tmp_path):
    write_bundle(tmp_path / "small")
    process = measure_robot_process(tmp_path / "small", repeats=1)
    assert process.start_s > 0.0
    assert 10.0 < process.resident_mb <= process.peak_mb


def test_robot_process_that_fails_is_no_figure(tmp_path):
    with pytest.raises(RuntimeError):
        measure_robot_process(tmp_path / "missing", repeats=1)
