"""The benchmark of training windows, on a dataset made by hand."""

import json

from spirl_ros.commands.main import main
from spirl_ros.demonstrations.storage import write_dataset
from tests.demonstrations.small_dataset import make_dataset


def test_windows_are_counted_for_every_batch_size(tmp_path, capsys) -> None:
    write_dataset(tmp_path / "data", make_dataset((30, 12)))
    assert main(["bench", "windows", "--data", str(tmp_path / "data"), "--rounds", "2", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["steps"] == 42
    assert set(figures["windows_per_s"]) == {"128", "256", "1024"} and min(figures["windows_per_s"].values()) > 0
    assert figures["load_s"] > 0 and figures["peak_mb"] > 10


def test_missing_dataset_is_told_with_the_next_step(tmp_path, capsys) -> None:
    assert main(["bench", "windows"]) == 2
    assert "--data is missing, expected the folder of a dataset. `spirl demos collect`" in capsys.readouterr().err
    assert main(["bench", "windows", "--data", str(tmp_path)]) == 2
    assert f"{tmp_path} is not a dataset" in capsys.readouterr().err
