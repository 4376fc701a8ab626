import signal

import pytest

from spirl_ros.bringup.graphs import KITCHEN_SIM, MONITOR, TRAIN
from spirl_ros.bringup.restarts import CRASH_WINDOW_S, EXIT_BAD_INPUT, EXIT_CRASH, EXIT_FAULT, Respawn, Restarts

KILLED = -signal.SIGKILL


@pytest.mark.parametrize("code", [0, EXIT_BAD_INPUT, EXIT_FAULT])
def test_node_that_ends_of_its_own_accord_ends_the_graph(code: int) -> None:
    assert "exit code" in Restarts().why_graph_ends("trainer", Respawn.AFTER_CRASH, code, 0.0)
    assert not Restarts().why_graph_ends("monitor", Respawn.ALWAYS, code, 0.0)


def test_crashes_end_the_graph_where_there_are_too_many_at_a_time() -> None:
    restarts = Restarts()
    for now_s in (0.0, 1.0, 2.0):
        assert not restarts.why_graph_ends("trainer", Respawn.AFTER_CRASH, KILLED, now_s)
        assert not restarts.why_graph_ends("mujoco_sim", Respawn.AFTER_CRASH, EXIT_CRASH, now_s)
    assert not restarts.why_graph_ends("trainer", Respawn.AFTER_CRASH, KILLED, CRASH_WINDOW_S + 0.5)
    reason = restarts.why_graph_ends("mujoco_sim", Respawn.AFTER_CRASH, KILLED, 3.0)
    assert reason == "mujoco_sim was killed by signal 9, 4 times within 3 s"
    assert Restarts().why_graph_ends("mujoco_sim", Respawn.NEVER, KILLED, 0.0)


def test_endless_run_of_the_kitchen_goes_on_by_itself() -> None:
    """The demo stood still for good after its first fault."""
    values = KITCHEN_SIM.check({"viewer": "none"})
    assert {node.respawn for node in KITCHEN_SIM.nodes(values)} == {Respawn.AFTER_CRASH}
    again = KITCHEN_SIM.node_again(values, "skill_policy")
    assert (again.parameters["start"], again.parameters["goes_on"]) == ("at_once", True)


def test_counted_episodes_end_with_every_node_but_the_viewer() -> None:
    for given in ({"episodes": "2"}, {"episodes": "2", "policy": "scripted"}):
        nodes = {node.name: node.respawn for node in KITCHEN_SIM.nodes(KITCHEN_SIM.check(given))}
        assert nodes.pop("monitor") is Respawn.ALWAYS and set(nodes.values()) == {Respawn.NEVER}
    assert [node.respawn for node in MONITOR.nodes(MONITOR.check({}))] == [Respawn.ALWAYS]


def test_trainer_that_is_started_again_goes_on_with_the_run_that_it_began(tmp_path) -> None:
    """With the settings of a new run it would be refused."""
    values = TRAIN.check({"out": str(tmp_path), "skills": str(tmp_path), "settings": "steps=500"})
    assert "steps=500" in str(TRAIN.node_again(values, "trainer").parameters["settings"])
    (tmp_path / "config.yaml").touch()
    assert TRAIN.node_again(values, "trainer").parameters["settings"] == ""
