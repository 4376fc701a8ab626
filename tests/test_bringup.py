import pytest

from spirl_ros.bringup import BRINGUPS, KITCHEN_SIM
from spirl_ros.errors import ConfigError


def test_defaults_complete_what_is_given() -> None:
    values = KITCHEN_SIM.check({"rate": "lockstep"})
    assert (values["rate"], values["task"], values["episodes"]) == ("lockstep", "kitchen", "0")
    assert set(values) == {argument.name for argument in KITCHEN_SIM.arguments}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"episode": "3"}, "Did you mean episodes"),
        ({"zzz": "3"}, "namespace"),
        ({"rate": "fast"}, "realtime, lockstep"),
        ({"episodes": "many"}, "whole number"),
        ({"seed": "-1"}, "whole number"),
        ({"task": "kettle,oven"}, "light_switch"),
        ({"params_file": "no/such.yaml"}, "no/such.yaml"),
    ],
)
def test_bad_argument_is_named_with_what_is_allowed(given: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        KITCHEN_SIM.check(given)


def test_simulator_never_waits_for_its_own_clock() -> None:
    for value in ("true", "false"):
        nodes = {node.name: node for node in KITCHEN_SIM.nodes(KITCHEN_SIM.check({"use_sim_time": value}))}
        assert nodes["mujoco_sim"].parameters["use_sim_time"] is False
        assert nodes["scripted_operator"].parameters["use_sim_time"] is (value == "true")


def test_namespaced_graph_keeps_its_own_clock() -> None:
    for namespace, expected in (("", ()), ("left", (("/clock", "clock"),))):
        nodes = KITCHEN_SIM.nodes(KITCHEN_SIM.check({"namespace": namespace}))
        assert all(node.remappings == expected for node in nodes)


def test_every_argument_has_a_description_and_an_allowed_default() -> None:
    for bringup in BRINGUPS.values():
        bringup.check({})
        for argument in bringup.arguments:
            assert argument.description
            assert not argument.choices or argument.default in argument.choices
