"""The benchmark of training windows, on a dataset made by hand."""

from benchmarks.training_windows import measure_windows
from spirl_ros.commands.main import main
from spirl_ros.demonstrations.storage import write_dataset
from tests.demonstrations.small_dataset import make_dataset


def test_windows_are_counted_for_every_batch_size(tmp_path) -> None:
    write_dataset(tmp_path / "data", make_dataset((30, 12)))
    figures = measure_windows(tmp_path / "data", 2)
    assert figures.steps == 42
    assert set(figures.windows_per_s) == {128, 256, 1024} and min(figures.windows_per_s.values()) > 0
    assert figures.load_s > 0 and figures.peak_mb > 10
    assert "batches of 128" in figures.table()


def test_folder_without_a_dataset_is_told_before_anything_is_measured(tmp_path, capsys) -> None:
    assert main(["bench", "demos", "--data", str(tmp_path)]) == 2
    assert f"{tmp_path} is not a dataset" in capsys.readouterr().err
