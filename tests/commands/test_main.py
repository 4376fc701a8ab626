import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spirl_ros.bringup.graphs import BRINGUPS
from spirl_ros.commands.main import main, make_parser


def _parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parser itself and those of its commands, as deep as they go."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _parsers(inner)


@pytest.mark.parametrize("parser", list(_parsers(make_parser())), ids=lambda parser: parser.prog)
def test_every_command_has_a_help_with_an_example_that_can_be_parsed(parser: argparse.ArgumentParser) -> None:
    examples = [line for line in parser.format_help().splitlines() if line.startswith("example: spirl ")]
    assert examples
    assert parser.epilog is not None
    words = parser.epilog.rpartition("example: spirl ")[2].split(". ")[0].split()
    assert make_parser().parse_args(words).run is not None


def test_unknown_graph_lists_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "kitchen"]) == 2
    error = capsys.readouterr().err
    assert all(name in error for name in BRINGUPS)


@pytest.mark.parametrize("graph", BRINGUPS)
def test_help_behind_a_graph_lists_its_arguments_alone(graph: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["up", graph, "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert ended.value.code == 0
    listed = [line.strip().partition(":=")[0] for line in lines if re.match(r"  \w+:=", line)]
    assert listed == [argument.name for argument in BRINGUPS[graph].arguments]
    words = lines[-1].removeprefix("example: spirl ").split()
    assert make_parser().parse_args(words).graph == graph


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("spirl be", ["bench "]),
        ("spirl rl ", ["train", "eval", "reproduce"]),
        ("spirl up kit", ["kitchen_sim "]),
        ("spirl up kitchen_sim policy:=pri", ["policy:=prior"]),
    ],
)
def test_tab_key_completes(line: str, expected: list[str], tmp_path: Path) -> None:
    """As the shell asks: the line in variables, words back through a file."""
    answers = tmp_path / "answers"
    environment = {
        **os.environ,
        **{"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "COMP_LINE": line, "COMP_POINT": str(len(line))},
        **{"_ARGCOMPLETE_STDOUT_FILENAME": str(answers), "_ARGCOMPLETE_COMP_WORDBREAKS": " \t\n"},
    }
    done = subprocess.run([sys.executable, "-m", "spirl_ros.commands.main"], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    found = answers.read_text().split("\n")
    assert {word.strip() for word in expected} <= {word.strip() for word in found}


def test_reader_that_has_enough_ends_the_command_quietly() -> None:
    """`spirl demos info data | head` ended with a traceback."""
    program = (
        "import sys; from spirl_ros.commands import check, main\n"
        "check.run = lambda parsed: print('line\\n' * 100_000) or 0\n"
        "sys.exit(main.main(['check', 'bundle']))"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 141


def test_graph_without_ros_is_told_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["up", "kitchen_sim"]) == 2
    assert capsys.readouterr().err.startswith("error: the package rclpy is not installed. Nodes need it: source")
