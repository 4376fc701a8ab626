import pytest

from spirl_ros.bringup.graphs import BRINGUPS, KITCHEN_SIM, MONITOR, SIM, TELEOP, TRAIN, Bringup, NodeDescription
from spirl_ros.errors import ConfigError
from spirl_ros.shipped import shipped
from spirl_ros.tasks import families
from tests.deployment.small_bundle import write_bundle


def nodes_of(**given: str) -> dict[str, NodeDescription]:
    values = KITCHEN_SIM.check({"viewer": "none", **given})
    return {node.name: node for node in KITCHEN_SIM.nodes(values)}


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
        ({"policy": "good"}, "learned, prior, scripted, none"),
        ({"models": "no/such"}, "expected a folder that `spirl export` wrote"),
        ({"task": "kettle,microwave"}, "trained for microwave,kettle,bottom_burner,light_switch"),
    ],
)
def test_bad_argument_is_named_with_what_is_allowed(given: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        KITCHEN_SIM.check(given)


def test_simulator_never_waits_for_its_own_clock() -> None:
    for value in ("true", "false"):
        nodes = nodes_of(use_sim_time=value, policy="scripted")
        assert nodes["mujoco_sim"].parameters["use_sim_time"] is False
        assert nodes["scripted_operator"].parameters["use_sim_time"] is (value == "true")


def test_skills_go_by_the_steady_clock() -> None:
    """The simulator's clock would wake executor and policy a hundred times a second: twice the load of both."""
    nodes = nodes_of(use_sim_time="true")
    assert nodes["skill_executor"].parameters["use_sim_time"] is False
    assert nodes["skill_policy"].parameters["use_sim_time"] is False


def test_namespaced_graph_keeps_its_own_clock() -> None:
    for namespace, expected in (("", ()), ("left", (("/clock", "clock"),))):
        nodes = KITCHEN_SIM.nodes(KITCHEN_SIM.check({"namespace": namespace}))
        assert all(node.remappings == expected for node in nodes)


def test_shipped_policy_acts_through_the_executor_with_the_same_bundle() -> None:
    nodes = nodes_of(rate="lockstep", episodes="3", seed="7")
    assert set(nodes) == {"mujoco_sim", "skill_executor", "skill_policy"}
    executor, policy = nodes["skill_executor"].parameters, nodes["skill_policy"].parameters
    assert executor["bundle"] == policy["bundle"] == str(shipped("models/kitchen"))
    assert executor["rate"] == policy["rate"] == nodes["mujoco_sim"].parameters["rate"] == "lockstep"
    assert (policy["start"], policy["episodes"], policy["seed"]) == ("at_once", 3, 7)
    assert (policy["source"], policy["latent"]) == ("policy", "mean")


def test_prior_scripted_operator_or_nobody_can_act_instead() -> None:
    policy = nodes_of(policy="prior", task="kettle")["skill_policy"].parameters
    assert (policy["source"], policy["latent"]) == ("prior", "sample")
    assert set(nodes_of(policy="scripted", task="kettle", models="no/such")) == {"mujoco_sim", "scripted_operator"}
    assert set(nodes_of(policy="none")) == {"mujoco_sim"}


def test_bundle_without_a_policy_is_refused_before_anything_starts(tmp_path) -> None:
    folder = shipped("models/kitchen_open_loop")
    with pytest.raises(ConfigError, match="holds skills alone"):
        nodes_of(models=str(folder))
    policy = nodes_of(models=str(folder), policy="prior")["skill_policy"].parameters
    assert policy["bundle"] == str(folder)
    write_bundle(tmp_path / "skills")
    with pytest.raises(ConfigError, match="observes 'joint_a, joint_b, door', but kitchen has 'panda0_joint1"):
        nodes_of(models=str(tmp_path / "skills"), policy="prior")


def test_what_cameras_of_a_task_take_is_recorded_too(tmp_path) -> None:
    values = SIM.check({"viewer": "none", "task": "maze:goal", "policy": "scripted", "record": str(tmp_path)})
    (recorder,) = [node for node in SIM.nodes(values) if node.name == "recorder"]
    assert recorder.parameters["cameras"] == "above"


def test_kitchen_is_recorded_where_a_folder_is_given(tmp_path) -> None:
    nodes = nodes_of()
    assert "recorder" not in nodes
    assert nodes["skill_policy"].parameters["wait_for_recorder"] is False
    for policy, name in (("learned", "skill_policy"), ("scripted", "scripted_operator")):
        nodes = nodes_of(record=str(tmp_path), policy=policy)
        assert nodes["recorder"].parameters["folder"] == str(tmp_path)
        assert nodes["recorder"].parameters["start"] == "each_episode"
        assert nodes["recorder"].parameters["operator_name"] == policy
        assert nodes["recorder"].parameters["cameras"] == ""
        assert nodes[name].parameters["wait_for_recorder"] is True


def test_person_is_recorded_on_demand_unless_it_is_turned_off(tmp_path) -> None:
    given = {"record": str(tmp_path), "operator_name": "ann", "max_steps": "300"}
    nodes = {node.name: node for node in TELEOP.nodes(TELEOP.check(given))}
    assert set(nodes) == {"mujoco_sim", "teleop", "recorder", "monitor"}
    assert nodes["recorder"].parameters["start"] == "manual"
    assert nodes["teleop"].parameters["operator_name"] == "ann"
    assert nodes["mujoco_sim"].parameters["max_steps"] == 300
    assert names_of(TELEOP, record="none", viewer="none") == {"mujoco_sim", "teleop"}


def test_arm_is_teleoperated_beside_its_own_driver_and_recorded(tmp_path) -> None:
    given = {"robot": "fr3", "record": str(tmp_path), "task": "press", "operator_name": "ann"}
    nodes = {node.name: node.parameters for node in TELEOP.nodes(TELEOP.check(given))}
    assert set(nodes) == {"teleop", "recorder", "monitor"}
    teleop = nodes["teleop"]
    assert (teleop["robot"], teleop["task"], teleop["operator_name"]) == ("fr3", "press", "ann")
    assert teleop["speed"] == 0.25  # slow, where nobody asks for more
    assert teleop["is_stand_in"] is teleop["use_sim_time"] is nodes["recorder"]["use_sim_time"] is False
    assert nodes["monitor"]["scene"] == "none"  # it would draw the kitchen
    topics = nodes["recorder"]["topics"]
    assert isinstance(topics, list)
    assert topics[0] == "franka/joint_states sensor_msgs/msg/JointState"
    assert "fr3_arm_controller/joint_trajectory trajectory_msgs/msg/JointTrajectory action optional" in topics


def test_stand_in_is_teleoperated_where_hardware_is_fake_and_its_kinematics_are_known() -> None:
    given = {"robot": "ur5e", "use_fake_hardware": "true", "record": "none", "viewer": "none"}
    nodes = {node.name: node.parameters for node in TELEOP.nodes(TELEOP.check(given))}
    assert set(nodes) == {"teleop", "stand_in_arm"}
    assert nodes["teleop"]["is_stand_in"] is True and nodes["stand_in_arm"]["robot"] == "ur5e"
    for refused, told in (
        ({"robot": "generic"}, "does not move without limits"),
        ({"robot": "ur5e", "rviz": "true"}, "Start RViz with the arm's own driver"),
        ({"robot": "ur5e", "robot_file": "no/such.yaml"}, "no/such.yaml cannot be read"),
    ):
        with pytest.raises(ConfigError, match=told):
            TELEOP.nodes(TELEOP.check({**given, **refused}))


def test_kitchen_is_teleoperated_by_default_in_its_own_time() -> None:
    nodes = {node.name: node.parameters for node in TELEOP.nodes(TELEOP.check({}))}
    assert nodes["teleop"]["use_sim_time"] is nodes["recorder"]["use_sim_time"] is True
    assert nodes["mujoco_sim"]["task"] == "kitchen"


def test_every_argument_has_a_description_and_an_allowed_default() -> None:
    for bringup in BRINGUPS.values():
        bringup.check({})
        for argument in bringup.arguments:
            assert argument.description
            assert not argument.choices or argument.default in argument.choices


@pytest.mark.parametrize(
    ("viewer", "shown_by"),
    [
        ("web", {"monitor"}),
        ("rviz", {"scene_markers"}),
        ("both", {"monitor", "scene_markers"}),
        ("none", set()),
    ],
)
def test_viewer_starts_what_shows_the_scene(viewer: str, shown_by: set[str]) -> None:
    nodes = {node.name: node for node in KITCHEN_SIM.nodes(KITCHEN_SIM.check({"viewer": viewer, "port": "9000"}))}
    assert set(nodes) & {"monitor", "scene_markers"} == shown_by
    # They need no simulated time, which would wake them a hundred times a second.
    assert all(nodes[name].parameters["use_sim_time"] is False for name in shown_by)
    if "monitor" in shown_by:
        assert nodes["monitor"].parameters["port"] == 9000


def names_of(bringup: Bringup, **given: str) -> set[str]:
    return {node.name for node in bringup.nodes(bringup.check(given))}


@pytest.mark.parametrize("name", ["rviz", "use_rviz"])
def test_rviz_is_shown_beside_the_page_when_asked_for_by_either_name(name: str) -> None:
    assert names_of(KITCHEN_SIM, **{name: "true"}) >= {"monitor", "scene_markers"}
    nodes = names_of(KITCHEN_SIM, viewer="none", **{name: "true"})
    assert "scene_markers" in nodes and "monitor" not in nodes


def test_viewers_can_be_started_alone_beside_a_graph() -> None:
    assert names_of(MONITOR) == {"monitor"}
    assert names_of(MONITOR, viewer="none", rviz="true", models="kitchen") == {"scene_markers"}
    with pytest.raises(ConfigError, match="viewer is 'none'"):
        names_of(MONITOR, viewer="none")


def test_markers_show_what_the_skills_of_the_acting_bundle_do() -> None:
    for policy, has_bundle in (("learned", True), ("prior", True), ("scripted", False), ("none", False)):
        nodes = {node.name: node for node in KITCHEN_SIM.nodes(KITCHEN_SIM.check({"viewer": "rviz", "policy": policy}))}
        assert bool(nodes["scene_markers"].parameters["bundle"]) is has_bundle


@pytest.mark.parametrize("given", ["left-arm", "1arm", "left arm", "a//b", "ärm", "a;b"])
def test_namespace_that_ros_does_not_take_is_refused_with_one_that_it_takes(given: str) -> None:
    """Every node ended with a traceback."""
    with pytest.raises(ConfigError, match=r"argument namespace is .* Try [A-Za-z_]\w*\."):
        BRINGUPS["kitchen_sim"].check({"namespace": given})


def test_namespaces_are_taken() -> None:
    for given in ("", "/", "left_arm", "/left/arm2", "left/"):
        BRINGUPS["kitchen_sim"].check({"namespace": given})


def test_params_file_may_lie_in_the_home(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "params.yaml").write_text("/**:\n  ros__parameters:\n    speed: 0.5\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert BRINGUPS["record"].check({"params_file": "~/params.yaml"})["params_file"] == str(tmp_path / "params.yaml")


@pytest.fixture
def other_families(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, attribute in (("small", "SMALL"), ("alone", "ALONE")):
        monkeypatch.setitem(families._OURS, name, f"tests.tasks.small_family:{attribute}")


def parameters_of(bringup: Bringup, **given: str) -> dict[str, dict]:
    return {node.name: dict(node.parameters) for node in bringup.nodes(bringup.check(given))}


def test_any_family_is_simulated_demonstrated_and_shown(other_families: None) -> None:
    nodes = parameters_of(SIM, task="small:in,out", viewer="both")
    assert set(nodes) == {"mujoco_sim", "scripted_operator", "monitor", "scene_markers"}
    assert nodes["mujoco_sim"]["task"] == nodes["scripted_operator"]["task"] == "small:in,out"
    assert nodes["monitor"]["scene"] == nodes["scene_markers"]["scene"] == "small"
    assert parameters_of(KITCHEN_SIM, task="small", policy="scripted") == parameters_of(SIM, task="small")


def test_sim_and_kitchen_sim_are_one_graph_with_other_defaults() -> None:
    given = {"models": "kitchen", "policy": "learned", "task": "kitchen", "seed": "3"}
    assert SIM.nodes(SIM.check(given)) == KITCHEN_SIM.nodes(KITCHEN_SIM.check({"seed": "3"}))
    assert [argument.name for argument in SIM.arguments] == [argument.name for argument in KITCHEN_SIM.arguments]


def test_by_itself_acts_the_policy_that_is_given_or_the_operator_that_there_is(other_families: None) -> None:
    assert "skill_policy" in names_of(SIM, models="kitchen")
    assert names_of(SIM, viewer="none") == {"mujoco_sim", "scripted_operator"}
    assert names_of(SIM, task="alone", viewer="none") == {"mujoco_sim"}  # which says that it cannot be simulated


def test_person_moves_the_arm_of_another_family(other_families: None) -> None:
    for given in ({"task": "small:in"}, {"robot": "small", "task": "in"}):
        nodes = parameters_of(TELEOP, record="none", viewer="none", **given)
        assert (nodes["teleop"]["robot"], nodes["mujoco_sim"]["task"]) == ("small", "small:in")
    with pytest.raises(ConfigError, match="task is 'kitchen:kettle' of the family kitchen, but robot is 'small'"):
        TELEOP.check({"robot": "small", "task": "kitchen:kettle"})


@pytest.mark.parametrize(
    ("bringup", "given", "told"),
    [
        (SIM, {"task": "smal:in"}, "Did you mean 'small'"),
        (SIM, {"task": "small:oven"}, "Subtasks, to be listed in order with commas: out, in"),
        (SIM, {"task": "small", "policy": "prior", "models": "kitchen"}, "but small has 'shoulder, elbow, drawer'"),
        (SIM, {"task": "small", "models": "kitchen"}, "trained for microwave"),
        (SIM, {"task": "alone", "viewer": "rviz"}, "nothing shows the task family alone"),
        (TRAIN, {"task": "small", "out": "runs/no", "skills": "runs/no"}, "Give skills of this family: models:="),
        (TELEOP, {"robot": "ur6e"}, "kitchen, maze, small, alone, ur5e, fr3, generic"),
        (MONITOR, {"scene": "small", "viewer": "none"}, "nothing would be shown"),
    ],
)
def test_what_a_family_does_not_have_is_told_before_anything_starts(
    other_families: None, bringup: Bringup, given: dict[str, str], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        bringup.nodes(bringup.check(given))
