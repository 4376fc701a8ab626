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
