"""Each thing that a machine can lack gives one line, a non-zero exit code, no traceback, and leaves nothing behind."""

import shutil

import pytest


def the_line(completed):
    assert completed.returncode not in (0, 2), completed.stdout + completed.stderr
    assert completed.stdout == ""
    lines = completed.stderr.splitlines()
    assert len(lines) == 1, completed.stderr
    assert lines[0].startswith("set-up: ")
    return lines[0]


def folder_of_programs(tmp_path, *names):
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in names:
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return folder


def fake_python(folder, name, version):
    path = folder / name
    path.write_text(f'#!/bin/sh\nif [ "$1" = -c ]; then echo {version}; else echo "$0 $*"; fi\n')
    path.chmod(0o755)


def test_missing_compiler_is_named_with_what_to_install(run_setup, tmp_path):
    line = the_line(run_setup(PATH=str(folder_of_programs(tmp_path, "dirname", "make"))))
    assert "C compiler (cc), a C++ compiler (c++)" in line
    assert "sudo apt install build-essential" in line


def test_compiler_named_by_variable_is_looked_for(run_setup):
    assert "a C compiler (no-such-cc)" in the_line(run_setup(CC="no-such-cc -O2"))


def test_too_little_disk_space_is_named_with_what_is_needed(run_setup, clone):
    line = the_line(run_setup(SPIRL_SETUP_DISK_GB="1e6"))
    assert "1000000.0 GB" in line and str(clone) in line
    assert not (clone / ".venv").exists()


def test_path_that_cmake_takes_apart_is_refused_at_once(run_setup, clone):
    """The set-up failed after minutes, in the messages: "Target dependency 'ber Labor ' does not exist"."""
    line = the_line(run_setup("--venv", "Über Labor"))
    assert "has ' ', 'Ü' in it" in line and "plain letters" in line
    assert not (clone / "Über Labor").exists()


def test_python_without_venv_module_is_named_with_what_to_install(run_setup, tmp_path):
    (tmp_path / "sitecustomize.py").write_text('import sys; sys.modules["ensurepip"] = None\n')
    line = the_line(run_setup(PYTHONPATH=str(tmp_path)))
    assert "ensurepip" in line and "-venv" in line


@pytest.mark.parametrize("distribution", ["humble", "iron", "noetic"])
def test_distribution_before_jazzy_is_refused(run_setup, distribution):
    line = the_line(run_setup(ROS_DISTRO=distribution, AMENT_PREFIX_PATH=f"/opt/ros/{distribution}"))
    assert distribution in line and "Jazzy or newer" in line


def test_distribution_built_for_another_python_names_the_one_to_take(run_setup, tmp_path):
    (tmp_path / "lib/python3.99/site-packages/rclpy").mkdir(parents=True)
    line = the_line(run_setup(ROS_DISTRO="jazzy", AMENT_PREFIX_PATH=str(tmp_path)))
    assert "built for Python 3.99" in line and "PYTHON=/usr/bin/python3.99" in line


def test_folder_that_the_setup_did_not_make_is_left_alone(run_setup, clone):
    (clone / ".venv").mkdir()
    (clone / ".venv" / "mine").touch()
    assert "left alone" in the_line(run_setup())
    assert (clone / ".venv" / "mine").exists()


def test_unknown_extra_lists_the_known_ones(run_setup):
    assert "nonsense. There are sim, dev, train, video, bench." in the_line(run_setup("--extras", "sim", "nonsense"))


def test_unknown_onnxruntime_lists_the_known_ones(run_setup):
    assert "expected cpu or gpu" in the_line(run_setup("--onnxruntime", "tpu"))


def test_python_that_does_not_fit_is_named_with_those_that_do(run_setup, tmp_path):
    fake_python(tmp_path, "old", "3.9")
    line = the_line(run_setup(PYTHON=str(tmp_path / "old")))
    assert f"{tmp_path / 'old'} is 3.9" in line and "3.10, 3.11, 3.12 or 3.13" in line


def test_python_that_does_not_run_is_named(run_setup):
    assert "/no/such/python does not run here" in the_line(run_setup(PYTHON="/no/such/python"))


def test_another_python_that_fits_is_found(run_setup, tmp_path):
    programs = folder_of_programs(tmp_path, "dirname", "sh")
    fake_python(programs, "python3", "3.14")
    fake_python(programs, "python3.12", "3.12")
    completed = run_setup("--extras", "dev", PYTHON="", PATH=str(programs))
    assert completed.stdout.split() == [str(programs / "python3.12"), "-m", "workspace", "--extras", "dev"]


def test_no_python_that_fits_lists_those_that_were_found(run_setup, tmp_path):
    programs = folder_of_programs(tmp_path, "dirname", "sh")
    fake_python(programs, "python3", "3.14")
    assert "python3 is 3.14" in the_line(run_setup(PYTHON="", PATH=str(programs)))
