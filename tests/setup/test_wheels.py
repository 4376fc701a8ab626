import os
from pathlib import Path

from workspace.wheels import make_prefix, relocate_targets

EXPORTED = (
    'INTERFACE_INCLUDE_DIRECTORIES "${_IMPORT_PREFIX}/include;/opt/python/cp312-cp312/include/python3.12;'
    '/opt/python/cp312-cp312/lib/python3.12/site-packages/numpy/_core/include"'
)


def test_folders_of_the_builder_become_ours():
    text = relocate_targets(EXPORTED, Path("/usr/include/python3.12"), Path("/venv/numpy/include"))
    assert text == (
        'INTERFACE_INCLUDE_DIRECTORIES "${_IMPORT_PREFIX}/include;/usr/include/python3.12;/venv/numpy/include"'
    )


def test_folders_of_another_environment_become_ours():
    before = relocate_targets(EXPORTED, Path("/elsewhere/include/python3.12"), Path("/gone/numpy/_core/include"))
    assert relocate_targets(before, Path("/usr/include/python3.12"), Path("/n")) == (
        'INTERFACE_INCLUDE_DIRECTORIES "${_IMPORT_PREFIX}/include;/usr/include/python3.12;/n"'
    )


def test_a_cache_that_the_packages_are_linked_to_is_not_written_to(tmp_path):
    cached = tmp_path / "cache" / "rclpyExport.cmake"
    cached.parent.mkdir()
    cached.write_text(EXPORTED)
    installed = tmp_path / "venv/share/rclpy/cmake/rclpyExport.cmake"
    installed.parent.mkdir(parents=True)
    os.link(cached, installed)
    make_prefix(tmp_path / "venv", tmp_path / "site", Path("/usr/include/python3.12"))
    assert cached.read_text() == EXPORTED
    assert "/opt/python" not in installed.read_text()


def test_backslashes_in_a_folder_name_are_kept():
    assert r"/odd\1name" in relocate_targets(EXPORTED, Path(r"/odd\1name"), Path("/n"))


def test_making_a_prefix_twice_changes_nothing_more(tmp_path):
    target = tmp_path / "share/rclpy/cmake/rclpyExport.cmake"
    target.parent.mkdir(parents=True)
    target.write_text(EXPORTED)
    make_prefix(tmp_path, tmp_path / "site", Path("/usr/include/python3.12"))
    once = target.read_text(), target.stat().st_mtime_ns
    make_prefix(tmp_path, tmp_path / "site", Path("/usr/include/python3.12"))
    assert (target.read_text(), target.stat().st_mtime_ns) == once
    assert "/opt/python" not in once[0]
    assert (tmp_path / "local_setup.sh").exists()
