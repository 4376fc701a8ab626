import os
import sys

import pytest

from workspace.problem import SetupProblem, explain_failure
from workspace.progress import Progress


@pytest.fixture
def progress(tmp_path):
    with open(tmp_path / "lock", "a+") as lock_file:
        yield Progress(tmp_path / "setup.log", lock_file)


def run_python(progress, tmp_path, code):
    with progress.stage("a stage"):
        progress.run([sys.executable, "-c", code], os.environ, tmp_path)


def test_failed_command_shows_its_last_lines_and_names_the_log(progress, tmp_path):
    with pytest.raises(SetupProblem) as caught:
        run_python(progress, tmp_path, "for i in range(100): print('line', i)\nraise SystemExit(3)")
    message = str(caught.value)
    assert "'a stage' failed" in message and "exit code 3" in message
    assert "line 99" in message and "line 80" not in message
    assert str(tmp_path / "setup.log") in message
    assert "line 0\n" in (tmp_path / "setup.log").read_text()


def test_failure_of_an_earlier_command_does_not_explain_a_later_one(progress, tmp_path):
    run_python(progress, tmp_path, "print('No space left on device')")
    with pytest.raises(SetupProblem) as caught:
        run_python(progress, tmp_path, "raise SystemExit(1)")
    assert "disk" not in str(caught.value)


def test_commands_cannot_wait_for_input(progress, tmp_path):
    run_python(progress, tmp_path, "import sys; assert sys.stdin.read() == ''")


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("OSError: [Errno 28] No space left on device", "The disk is full"),
        ("Retrying ... NewConnectionError: Connection refused\nNo matching distribution found for a==1", "the network"),
        ("ERROR: No matching distribution found for mujoco==3.9.0", "no mujoco==3.9.0 for this Python"),
        ("... -m ensurepip returned non-zero exit status 1", "python3-venv"),
    ],
)
def test_known_causes_are_named(output, expected):
    assert expected in (explain_failure(output) or "")


def test_unknown_causes_are_not_guessed():
    assert explain_failure("error: expected ';' before '}' token") is None
