"""Parameters of nodes, as processes are given them."""

from pathlib import Path

import pytest

pytest.importorskip("rclpy")

from spirl_ros.nodes.graph.parameters import names_for_all


def test_parameters_for_every_node_are_told_from_those_for_one(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(
        "/**:\n  ros__parameters:\n    speed: 0.5\n    qos: {depth: 3}\nskill_policy:\n  ros__parameters: {seed: 1}\n"
    )
    assert names_for_all(["node", "--ros-args", "--params-file", str(file), "-p", "x:=1"]) == {"speed", "qos.depth"}
    assert names_for_all(["node", "--params-file", str(tmp_path / "absent")]) == set()


def test_node_starts_with_a_file_that_gives_others_parameters(client, start_node, tmp_path: Path) -> None:
    """A file with `/**: speed: 0.5` was refused by every node but the executor, and the whole graph ended."""
    file = tmp_path / "params.yaml"
    file.write_text("/**:\n  ros__parameters:\n    speed: 0.5\n")
    start_node("recorder", "--params-file", str(file), folder=tmp_path / "recordings")
    client.wait_for(lambda: "recorder" in client.get_node_names(), "the recorder")
    file.write_text("recorder:\n  ros__parameters:\n    sped: 0.5\n")
    code, output = start_node("recorder", "--params-file", str(file), folder=tmp_path / "recordings").wait()
    assert code == 2 and "recorder has no parameter sped" in output
