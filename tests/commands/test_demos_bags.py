import json

import pytest

pytest.importorskip("spirl_msgs", reason="definitions of our messages come from the workspace: make setup")

from spirl_ros.commands.main import main
from spirl_ros.demonstrations.storage import read_dataset, write_dataset
from tests.demonstrations.formats.test_bag_import import kitchen_dataset


def test_bags_are_exported_imported_together_and_described(tmp_path, capsys) -> None:
    dataset = kitchen_dataset((4, 6))
    write_dataset(tmp_path / "data", dataset)
    bags = tmp_path / "bags"
    assert main(["demos", "export", str(tmp_path / "data"), "--format", "bag", "--out", str(bags)]) == 0
    names = sorted(str(path) for path in bags.iterdir())
    assert [name[-14:] for name in names] == ["episode_000001", "episode_000002"]
    assert main(["demos", "import", *names, "--out", str(tmp_path / "again"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["steps"] == 10
    assert read_dataset(tmp_path / "again").episodes[1].metadata.operator == "anna"
    assert main(["demos", "info", str(bags)]) == 0
    assert "2, 10 steps at 12.5 Hz" in capsys.readouterr().out


def test_one_bad_bag_among_many_is_named_and_nothing_is_written(tmp_path, capsys) -> None:
    write_dataset(tmp_path / "data", kitchen_dataset((4, 6)))
    bags = tmp_path / "bags"
    main(["demos", "export", str(tmp_path / "data"), "--format", "bag", "--out", str(bags)])
    bad = bags / "episode_000002" / "episode_000002_0.mcap"
    bad.write_bytes(bad.read_bytes()[:-100])
    assert main(["demos", "import", str(bags), "--out", str(tmp_path / "again")]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {bad} is truncated or damaged") and error.count("\n") == 1
    assert not (tmp_path / "again").exists()
