import json

import pytest

pytest.importorskip("onnxruntime")

from spirl_ros.commands.main import main
from tests.deployment.small_bundle import write_bundle


def test_good_bundle_is_described(tmp_path, capsys):
    folder = tmp_path / "small"
    write_bundle(folder)
    assert main(["check", str(folder), "--provider", "cpu", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    figures = json.loads(lines[-1])
    assert (figures["ok"], figures["provider"], figures["path"]) == (True, "cpu", str(folder))
    assert figures["description"]["control_rate_hz"] == 12.5
    assert lines[0] == f"bundle small, digest {figures['digest']}"
    assert "task          kettle,microwave: kettle, microwave in this order" in lines


@pytest.mark.parametrize("name", ["bundle.yaml", "skill_decoder.onnx", "skill_prior.onnx"])
def test_damage_is_one_line_that_names_the_file(tmp_path, capsys, name):
    write_bundle(tmp_path / "small")
    path = tmp_path / "small" / name
    path.write_bytes(path.read_bytes()[:-2])
    assert main(["check", str(tmp_path / "small")]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {path}") and error.count("\n") == 1


def test_folder_that_is_no_bundle_says_what_was_expected(tmp_path, capsys):
    assert main(["check", str(tmp_path)]) == 2
    assert "is not a bundle" in capsys.readouterr().err
