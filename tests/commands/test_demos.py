import json

from spirl_ros.commands.main import main


def test_operator_prints_a_table_and_one_json_object_last(capsys):
    assert main(["demos", "operator", "--chains", "1", "--seed", "4", "--workers", "1", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("1/1 chains")
    assert any(line.startswith("whole chains") for line in lines)
    figures = json.loads(lines[-1])
    assert figures["chains"] == 1
    assert set(figures["per_subtask"]) >= {"microwave", "kettle"}


def test_operator_refuses_impossible_numbers(capsys):
    assert main(["demos", "operator", "--chains", "0"]) == 2
    assert "--chains is 0" in capsys.readouterr().err
