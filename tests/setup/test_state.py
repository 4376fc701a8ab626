import pytest

from workspace.problem import SetupProblem
from workspace.state import FILE_NAME, State, load_state, remove_environment


def test_state_survives_saving(tmp_path):
    state = State(python="/usr/bin/python3", extras=["sim"], done={"packages": "abc"}, unfinished="messages")
    state.save(tmp_path)
    assert load_state(tmp_path) == state


def test_missing_and_empty_folders_have_no_state(tmp_path):
    assert load_state(tmp_path) is None
    assert load_state(tmp_path / "missing") is None


@pytest.mark.parametrize("content", ["", "{", '{"python": "x", "of_another_version": 1}', "[]"])
def test_unreadable_state_means_to_begin_anew(tmp_path, content):
    (tmp_path / FILE_NAME).write_text(content)
    state = load_state(tmp_path)
    assert state is not None and state.unfinished == "environment"


def test_folder_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "pyvenv.cfg").touch()
    with pytest.raises(SetupProblem, match="left alone"):
        load_state(tmp_path)


def test_removing_also_removes_what_a_killed_removal_left(tmp_path):
    venv = tmp_path / ".venv"
    for folder in (venv, tmp_path / ".venv.removed"):
        (folder / "bin").mkdir(parents=True)
    remove_environment(venv)
    assert list(tmp_path.iterdir()) == []
