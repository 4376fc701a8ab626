"""What the command makes of results; the measurements have tests of their own."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks.figures import Figures
from spirl_ros.commands import bench
from spirl_ros.commands.main import main
from spirl_ros.errors import SpirlError


@dataclass(frozen=True)
class _Answer(Figures):
    value: int
    machine: dict[str, object] = field(default_factory=lambda: {"cores": 2})

    def rows(self) -> list[str]:
        return [f"| {self.value} |"]


@pytest.fixture
def three_benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    def good(parsed):
        yield "first", _Answer(1)
        yield "second", _Answer(parsed.rounds)

    def broken(parsed):
        yield "begun", _Answer(3)
        raise SpirlError("the node does not start")

    def without_package(parsed):
        yield from bench._where_installed("compared", "no_such_peer", lambda: __import__("no_such_peer"))
        yield "alone", _Answer(4)

    monkeypatch.setattr(bench, "_BENCHMARKS", {"good": good, "broken": broken, "without": without_package})


def test_all_goes_on_after_one_that_fails_and_says_so(
    three_benchmarks: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    assert main(["bench", "all", "--rounds", "7", "--json", "--markdown", str(page)]) == 2
    output = capsys.readouterr()
    assert output.out.startswith("before: python ")
    assert "compared: left out, no_such_peer is not installed" in output.out
    assert "left out of broken: the node does not start" in output.err
    found = json.loads(output.out.splitlines()[-1])
    assert found["good"] == {
        "first": {"value": 1, "machine": {"cores": 2}},
        "second": {"value": 7, "machine": {"cores": 2}},
    }
    assert found["broken"]["begun"]["value"] == 3 and found["without"]["alone"]["value"] == 4
    assert found["left_out"] == {"broken": "the node does not start"}
    for text in ("<!-- spirl bench good -->", "**second**\n\n| 7 |\n\ncores 2\n", "| 3 |", "| 4 |"):
        assert text in page.read_text()


def test_one_that_fails_alone_is_an_error(three_benchmarks: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "broken"]) == 2
    assert capsys.readouterr().err == "error: the node does not start\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--rounds", "1"], "--rounds is 1, expected at least 2"),
        (["--workers", "0"], "--workers is 0, expected at least 1"),
        (["--episodes", "0"], "--episodes is 0, expected at least 1"),
        (["--seconds", "nan"], "--seconds is nan, expected 1 to 3600"),
    ],
)
def test_bad_settings_are_told_before_anything_is_measured(
    three_benchmarks: None, arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "good", *arguments]) == 2
    output = capsys.readouterr()
    assert expected in output.err and output.out == ""


def test_folder_that_is_no_checkout_is_told(
    three_benchmarks: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    assert main(["bench", "good", "--official", str(tmp_path)]) == 2
    assert "is not a checkout of the official code" in capsys.readouterr().err


def test_installed_without_a_checkout_names_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Benchmarks do not go onto a robot."""
    monkeypatch.setattr(bench, "__file__", str(tmp_path / "lib/python3/site-packages/spirl_ros/commands/bench.py"))
    assert main(["bench", "env", "--rounds", "2"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "needs the folder benchmarks/ of a checkout" in line and "Clone the repository" in line
