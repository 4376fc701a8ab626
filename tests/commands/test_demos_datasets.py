import json
from dataclasses import replace

import pytest

from spirl_ros.commands.main import main
from spirl_ros.demonstrations.layout import robot_metadata
from spirl_ros.demonstrations.storage import read_dataset, write_dataset
from spirl_ros.kitchen.family import KITCHEN
from tests.demonstrations.small_dataset import make_dataset


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


def test_info_names_the_format_of_what_it_read(tmp_path, capsys):
    """It called a folder of bags a dataset of Minari, and a single bag a file of D4RL."""
    pytest.importorskip("spirl_msgs", reason="definitions of our messages come from the workspace: make setup")
    metadata = replace(robot_metadata(KITCHEN.robot), operator="scripted")
    folder, file, bags = (tmp_path / name for name in ("data", "data.hdf5", "bags"))
    write_dataset(folder, make_dataset((4, 6), metadata))
    assert main(["demos", "export", str(folder), "--format", "d4rl", "--out", str(file)]) == 0
    assert main(["demos", "export", str(folder), "--format", "bag", "--out", str(bags)]) == 0
    first = bags / "episode_000001"
    sources = {folder: "minari", file: "d4rl", bags: "bag", first: "bag", first / "episode_000001_0.mcap": "bag"}
    for source, layout in sources.items():
        capsys.readouterr()
        assert main(["demos", "info", str(source), "--json"]) == 0
        assert json.loads(capsys.readouterr().out.splitlines()[-1])["layout"] == layout


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
