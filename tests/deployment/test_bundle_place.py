"""Bundles by what people write for them."""

from pathlib import Path

import pytest

from spirl_ros.deployment.bundle_place import find_bundle
from spirl_ros.errors import ConfigError
from spirl_ros.shipped import shipped


def test_shipped_names_folders_and_the_home_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`models:=` took shipped names, `rl eval --bundle` and `real_arm bundle:=` did not; ~ was taken for a folder."""
    assert find_bundle("kitchen", "bundle") == shipped("models/kitchen")
    (tmp_path / "kitchen").mkdir()
    (tmp_path / "kitchen" / "bundle.yaml").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_bundle("kitchen", "bundle") == find_bundle("~/kitchen", "bundle") == tmp_path / "kitchen"


def test_message_names_the_next_step(tmp_path: Path) -> None:
    """For the folder of a training it said "Build and install again"."""
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "config.yaml").write_text("")
    (tmp_path / "run" / "skills").mkdir(parents=True)
    (tmp_path / "run" / "skills" / "bundle.yaml").write_text("")
    for name, told in (
        ("training", f"make a bundle of it with `spirl export {tmp_path}/training --out"),
        ("run", f"the skills that it began with are {tmp_path}/run/skills"),
        ("", "Within it are bundles|holds no bundle.yaml"),
        ("absent", f"There is no {tmp_path}/absent"),
    ):
        with pytest.raises(ConfigError, match="argument models is .* kitchen, kitchen_open_loop. .*" + told):
            find_bundle(str(tmp_path / name), "argument models")
