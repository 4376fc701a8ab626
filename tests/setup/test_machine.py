import re
import sysconfig
from pathlib import Path

import pytest

from workspace.machine import check_disk_space, check_paths, check_python_parts, has_nvidia_driver
from workspace.problem import SetupProblem


def test_missing_headers_are_named_with_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(SetupProblem, match=r"Python\.h.*apt install python3\.\d+-dev"):
        check_python_parts()


def test_training_needs_more_disk_space(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 3e9}))
    check_disk_space(tmp_path, frozenset({"sim", "dev"}), "gpu", {})
    for torch, needed in (("cpu", 4), ("gpu", 8)):
        with pytest.raises(SetupProblem, match=rf"3\.0 GB.*needs {needed}\.0 GB"):
            check_disk_space(tmp_path, frozenset({"train"}), torch, {})


@pytest.mark.parametrize(
    ("path", "odd"), [("/home/me/Über", "'Ü'"), ("/home/my lab", "' '"), ("/a:b/$c", "'$', ':'"), ("/a#b", "'#'")]
)
def test_path_that_cmake_takes_apart_is_named(path, odd):
    with pytest.raises(SetupProblem, match=f"has {re.escape(odd)} in it.*plain letters"):
        check_paths(Path(path))


def test_plain_paths_are_taken():
    check_paths(Path("/home/me/ros2_ws-3/src/spirl.ros+x"), Path("/data/@me/~venv"))


def test_nvidia_driver_is_found_by_its_kernel_file_or_its_tool(tmp_path):
    assert not has_nvidia_driver({"PATH": str(tmp_path)}, root=tmp_path)
    (tmp_path / "nvidia-smi").touch(mode=0o755)
    assert has_nvidia_driver({"PATH": str(tmp_path)}, root=tmp_path)
    (tmp_path / "nvidia-smi").unlink()
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    (tmp_path / "proc/driver/nvidia/version").touch()
    assert has_nvidia_driver({"PATH": str(tmp_path)}, root=tmp_path)
