import pytest

from spirl_ros.bringup import BRINGUPS
from spirl_ros.commands.main import main

DEMOS_COMMANDS = [["demos", name] for name in ("operator", "collect", "info", "import", "export")]


@pytest.mark.parametrize("command", [[], ["up"], ["bench"], ["export"], ["check"], ["demos"], *DEMOS_COMMANDS])
def test_every_command_has_a_help_with_an_example(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    if command and command != ["demos"]:
        assert "example: spirl" in capsys.readouterr().out


def test_unknown_graph_lists_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "kitchen"]) == 2
    error = capsys.readouterr().err
    assert all(name in error for name in BRINGUPS)
