import json

import pytest

from spirl_ros.commands.main import main
from spirl_ros.demonstrations.storage import read_dataset


def test_dataset_is_collected_looked_at_exported_and_imported(tmp_path, capsys):
    folder, file, again = (str(tmp_path / name) for name in ("data", "data.hdf5", "again"))
    assert main(["demos", "collect", "--episodes", "1", "--workers", "1", "--out", folder, "--json"]) == 0
    collected = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert collected["episodes"] == 1
    assert main(["demos", "info", folder, "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    figures = json.loads(lines[-1])
    assert any(line.startswith("episode lengths") for line in lines)
    assert (figures["steps"], figures["digest"]) == (collected["steps"], collected["digest"])
    assert figures["episodes_completing_all_targets"] == 0
    assert main(["demos", "export", folder, "--format", "d4rl", "--out", file]) == 0
    assert main(["demos", "info", file]) == 0
    assert main(["demos", "import", file, "--out", again]) == 0
    assert read_dataset(tmp_path / "again").steps == collected["steps"]


def test_dataset_is_replayed_plotted_and_exported_to_lerobot(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    pytest.importorskip("pyarrow")
    folder = str(tmp_path / "data")
    assert main(["demos", "collect", "--episodes", "1", "--workers", "1", "--out", folder, "--json"]) == 0
    steps = json.loads(capsys.readouterr().out.splitlines()[-1])["steps"]
    assert main(["demos", "replay", folder, "--json"]) == 0
    *table, last = capsys.readouterr().out.splitlines()
    figures = json.loads(last)
    assert (figures["replayed"], figures["started_from_seed"], figures["same_subtasks"]) == (1, 1, 1)
    assert (figures["tool_error_mm_max"], figures["episodes"][0]["lost"]) == (0.0, [])
    assert table[1].endswith("4 of 4")
    assert main(["demos", "replay", folder, "--from-observation"]) == 0
    assert "drifts by nothing" in capsys.readouterr().out  # what to expect is said where there is drift
    assert main(["demos", "plot", folder, "--out", str(tmp_path / "plots")]) == 0
    assert capsys.readouterr().out.split() == [str(path) for path in sorted_by_age(tmp_path / "plots")]
    assert main(["demos", "export", folder, "--format", "lerobot", "--out", str(tmp_path / "lerobot")]) == 0
    assert f"1 episodes with {steps} steps" in capsys.readouterr().out


def sorted_by_age(folder):
    return sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)


def test_bad_input_is_one_line_that_names_the_file(tmp_path, capsys):
    file = tmp_path / "a.hdf5"
    file.write_text("hello")
    assert main(["demos", "import", str(file), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == (
        f"error: {file} is not an HDF5 file. Expected one that starts with HDF5's signature.\n"
    )
    assert main(["demos", "info", str(tmp_path)]) == 2
    assert "is not a dataset" in capsys.readouterr().err
    assert main(["demos", "collect", "--episodes", "0", "--out", str(tmp_path / "out")]) == 2
    assert "--episodes is 0" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
