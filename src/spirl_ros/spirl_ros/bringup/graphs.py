"""The one description of each graph: launch files and `spirl up` both start what stands here.

A graph is arguments, and a function from their values to the nodes to start.
"""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from spirl_ros.arms.robot_configuration import ROBOTS
from spirl_ros.bringup.real_arm import (
    ARM_POLICIES,
    NO_POLICY,
    NO_SCENE,
    arm_teleop_parameters,
    real_arm_parameters,
    recorded_topics,
    robot_of,
)
from spirl_ros.bringup.restarts import Respawn
from spirl_ros.bringup.simulation import (
    AUTO,
    LEARNED,
    POLICIES,
    SIMULATED_AGE_S,
    acting_parameters,
    acting_policy,
    bundle_folder,
    check_policy,
    simulated_task,
)
from spirl_ros.bringup.training import training_parameters
from spirl_ros.errors import ConfigError
from spirl_ros.files.outside_text import shortened
from spirl_ros.files.plain_yaml import read_yaml_file
from spirl_ros.tasks.families import DEFAULT_FAMILY, family_names, find_family, full_task, split_task
from spirl_ros.tasks.scene_view import find_view
from spirl_ros.tasks.task import TaskFamily


@dataclass(frozen=True)
class LaunchArgument:
    """An argument of a launch file, given as name:=value."""

    name: str
    default: str
    description: str
    choices: tuple[str, ...] = ()
    """Allowed values; empty allows every text."""
    is_count: bool = False
    """Whether it must be a whole number of 0 or more."""


@dataclass(frozen=True)
class NodeDescription:
    """One node to start."""

    executable: str
    """Name of the executable, and of its module in spirl_ros.nodes."""
    name: str
    parameters: Mapping[str, bool | int | float | str | list[str]] = field(default_factory=dict)
    remappings: tuple[tuple[str, str], ...] = ()
    respawn: Respawn = Respawn.NEVER
    """When to start it again after it ended. Otherwise the whole graph ends with it."""


@dataclass(frozen=True)
class Bringup:
    """A graph that can be started."""

    name: str
    description: str
    arguments: tuple[LaunchArgument, ...]
    nodes: Callable[[Mapping[str, str]], list[NodeDescription]]
    """The nodes to start for checked argument values."""

    def node_again(self, values: Mapping[str, str], name: str) -> NodeDescription:
        """How a node is started again after a crash: what it left behind, such as a run that is trained, counts."""
        return next(node for node in self.nodes(values) if node.name == name)

    def check(self, given: Mapping[str, str]) -> dict[str, str]:
        """Complete the given arguments with their defaults.

        Raises:
            ConfigError: an unknown argument or a value that is not allowed.
        """
        known = {argument.name: argument for argument in self.arguments}
        for name in given:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                guess = f" Did you mean {close[0]}?" if close else ""
                raise ConfigError(f"{self.name} has no argument {name}.{guess} It has: {', '.join(known)}.")
        values = {argument.name: given.get(argument.name, argument.default) for argument in self.arguments}
        for name, value in values.items():
            choices = known[name].choices
            if choices and value not in choices:
                raise ConfigError(f"argument {name} is '{value}', expected one of {', '.join(choices)}.")
            if known[name].is_count and not value.isdecimal():
                raise ConfigError(f"argument {name} is '{value}', expected a whole number of 0 or more.")
        if "robot" in values and values["robot"] not in (*ROBOTS, *family_names()):
            raise ConfigError(
                f"argument robot is '{values['robot']}', expected one of {', '.join((*family_names(), *ROBOTS))}."
            )
        if "task" in values:
            simulated_task(values.get("robot", DEFAULT_FAMILY), values["task"])
        if {"policy", "models"} <= values.keys():
            check_policy(values)
        if values.get("params_file"):
            values["params_file"] = _params_file(values["params_file"])
        _check_namespace(values.get("namespace", ""))
        return values


def _params_file(given: str) -> str:
    """The same place, whatever folder a node is started in."""
    path = Path(given).expanduser().absolute()
    if not path.is_file():
        raise ConfigError(
            f"argument params_file is {shortened(given)}, which is not a file. Give a YAML parameter file."
        )
    read_yaml_file(path)
    return str(path)


def _check_namespace(given: str) -> None:
    """As ROS takes names; it would end with a traceback in every node."""
    if given.strip("/") and not re.fullmatch(r"/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*/?", given, re.ASCII):
        close = re.sub(r"\W", "_", given.strip("/"), flags=re.ASCII)
        guess = f" Try {close if not close[0].isdigit() else '_' + close}."
        raise ConfigError(
            f"argument namespace is {shortened(given)}, expected letters, digits and _, not a digit first, and / "
            f"between names.{guess}"
        )


COMMON_ARGUMENTS = (
    LaunchArgument("namespace", "", "namespace of every node, topic and service"),
    LaunchArgument("use_sim_time", "true", "take time from the simulator's clock", ("true", "false")),
    LaunchArgument("params_file", "", "YAML file with ROS parameters; they win over the other arguments"),
    LaunchArgument("autostart", "true", "configure and activate every node", ("true", "false")),
    LaunchArgument("log_level", "info", "least severe message shown", ("debug", "info", "warn", "error", "fatal")),
)


def _common_arguments(*others: LaunchArgument) -> tuple[LaunchArgument, ...]:
    """COMMON_ARGUMENTS, with others in the place of those of the same name."""
    by_name = {argument.name: argument for argument in others}
    return tuple(by_name.get(argument.name, argument) for argument in COMMON_ARGUMENTS)


WEB, RVIZ, BOTH, NONE = "web", "rviz", "both", "none"


def _viewer_arguments(viewer: str) -> tuple[LaunchArgument, ...]:
    """What shows the scene, with a default."""
    return (
        LaunchArgument(
            "viewer", viewer, "what shows the scene: a web page, RViz, both or nothing", (WEB, RVIZ, BOTH, NONE)
        ),
        LaunchArgument("rviz", "false", "show it in RViz, too, whatever viewer is", ("true", "false")),
        LaunchArgument("use_rviz", "false", "the same as rviz, named as in Nav2", ("true", "false")),
        LaunchArgument(
            "port", "8080", "port of the web page on this machine; the next free one if taken", is_count=True
        ),
    )


def _sim_nodes(given: Mapping[str, str]) -> list[NodeDescription]:
    values = {**given, "policy": acting_policy(given)}
    family = split_task(values["task"])[0]
    recorder = _recorder_node(
        values, values["record"], start="each_episode", operator_name=values["policy"], cameras=_cameras(family)
    )
    working = [_simulator_node(values), *_acting_nodes(values), *([recorder] if values["record"] != "none" else [])]
    # Episodes that are counted would be counted wrong.
    if values["episodes"] != "0":
        working = [replace(node, respawn=Respawn.NEVER) for node in working]
    return [
        *working,
        *_viewer_nodes(
            values,
            family,
            str(acting_parameters(values).get("skill_executor", {}).get("bundle", "")),
        ),
    ]


def _viewer_nodes(values: Mapping[str, str], family: TaskFamily, bundle: str = "") -> list[NodeDescription]:
    """What shows the family's scene, and in RViz what the bundle's skills would do.

    It looks at the steady clock only: the simulator's would wake it a hundred times a second. The arm works on without
    it, so it is started again when it ends.
    """
    common = {"autostart": values["autostart"] == "true", "use_sim_time": False}
    remappings = (("/clock", "clock"),) if values["namespace"] else ()
    nodes = []
    if values["viewer"] in (WEB, BOTH):
        scene = NONE if family.view() is None else family.name
        parameters = {"scene": scene, "port": int(values["port"]), **common}
        nodes.append(NodeDescription("monitor", "monitor", parameters, remappings, Respawn.ALWAYS))
    if values["viewer"] in (RVIZ, BOTH) or "true" in (values["rviz"], values["use_rviz"]):
        parameters = {"scene": find_view(family.name).name, "rviz": True, "bundle": bundle, **common}
        nodes.append(NodeDescription("scene_markers", "scene_markers", parameters, remappings, Respawn.ALWAYS))
    return nodes


def _acting_nodes(values: Mapping[str, str]) -> list[NodeDescription]:
    # In a namespace the simulator's clock is its own: several graphs on one domain keep their times apart.
    remappings = (("/clock", "clock"),) if values["namespace"] else ()
    return [
        NodeDescription(name, name, given, remappings, Respawn.AFTER_CRASH)
        for name, given in acting_parameters(values).items()
    ]


def _simulator_node(values: Mapping[str, str], **parameters: int) -> NodeDescription:
    return NodeDescription(
        executable="mujoco_sim",
        name="mujoco_sim",
        parameters={
            "task": values["task"],
            "rate": values["rate"],
            "seed": int(values["seed"]),
            "autostart": values["autostart"] == "true",
            "use_sim_time": False,
            **parameters,
        },
        remappings=(("/clock", "clock"),) if values["namespace"] else (),
        respawn=Respawn.AFTER_CRASH,
    )


def _recorder_node(
    values: Mapping[str, str], folder: str, start: str, operator_name: str, **parameters: bool | str | list[str]
) -> NodeDescription:
    return NodeDescription(
        executable="recorder",
        name="recorder",
        parameters={
            "folder": str(Path(folder).expanduser().absolute()),
            "start": start,
            "operator_name": operator_name,
            "autostart": values["autostart"] == "true",
            "use_sim_time": values["use_sim_time"] == "true",
            **parameters,
        },
        remappings=(("/clock", "clock"),) if values["namespace"] else (),
        respawn=Respawn.AFTER_CRASH,
    )


def _cameras(family: TaskFamily) -> str:
    """The recorder's parameter `cameras`: those whose pictures a family observes."""
    return ",".join(field.source for field in family.robot.observation.pictures)


def _record_nodes(values: Mapping[str, str]) -> list[NodeDescription]:
    return [_recorder_node(values, values["folder"], values["start"], values["operator_name"])]


def _teleop_nodes(values: Mapping[str, str]) -> list[NodeDescription]:
    simulated = simulated_task(values["robot"], values["task"])
    if simulated is None:
        return _arm_teleop_nodes(values)
    family, task = simulated
    return _simulated_teleop_nodes({**values, "task": full_task(f"{family.name}:{task.text}")}, family)


def _simulated_teleop_nodes(given: Mapping[str, str], family: TaskFamily) -> list[NodeDescription]:
    use_sim_time = "false" if given["use_sim_time"] == "false" else "true"
    values = {**given, "use_sim_time": use_sim_time}
    teleop = NodeDescription(
        executable="teleop",
        name="teleop",
        parameters={
            "robot": family.name,
            "keyboard": values["keyboard"],
            "gamepad": values["gamepad"],
            "gamepad_file": str(Path(values["gamepad_file"]).expanduser().absolute()) if values["gamepad_file"] else "",
            "max_age_s": SIMULATED_AGE_S,
            "operator_name": values["operator_name"],
            "autostart": values["autostart"] == "true",
            "use_sim_time": use_sim_time == "true",
        },
        remappings=(("/clock", "clock"),) if values["namespace"] else (),
        respawn=Respawn.AFTER_CRASH,
    )
    recorder = _recorder_node(
        values,
        values["record"],
        start="manual",
        operator_name=values["operator_name"],
        cameras=_cameras(family),
    )
    return [
        _simulator_node(values, max_steps=int(values["max_steps"])),
        teleop,
        *([recorder] if values["record"] != "none" else []),
        *_viewer_nodes(values, family),
    ]


def _arm_teleop_nodes(given: Mapping[str, str]) -> list[NodeDescription]:
    """The driver and its controllers run already, or a stand-in for them is started."""
    values = {**given, "use_sim_time": "true" if given["use_sim_time"] == "true" else "false"}
    nodes = [NodeDescription(name, name, parameters) for name, parameters in arm_teleop_parameters(values).items()]
    if values["record"] != "none":
        topics = recorded_topics(robot_of(values))
        folder, operator_name = values["record"], values["operator_name"]
        nodes.append(_recorder_node(values, folder, start="manual", operator_name=operator_name, topics=topics))
    if values["viewer"] in (RVIZ, BOTH) or "true" in (values["rviz"], values["use_rviz"]):
        raise ConfigError(
            "our markers for RViz are those of simulated scenes. Start RViz with the arm's own driver, and "
            "viewer:=web or none."
        )
    if values["viewer"] == WEB:
        page: dict[str, bool | int | str] = {"scene": "none", "joint_state_topic": robot_of(values).joint_state_topic}
        page |= {"port": int(values["port"]), "autostart": values["autostart"] == "true", "use_sim_time": False}
        nodes.append(NodeDescription("monitor", "monitor", page, respawn=Respawn.ALWAYS))
    return nodes


def _monitor_nodes(values: Mapping[str, str]) -> list[NodeDescription]:
    bundle = str(bundle_folder(values["models"])) if values["models"] != NONE else ""
    nodes = _viewer_nodes(values, find_family(values["scene"]), bundle)
    if not nodes:
        raise ConfigError("argument viewer is 'none', so nothing would be shown. Give viewer:=web or rviz:=true.")
    return nodes


_TASK = "[FAMILY:]TASK: task by name, or target subtasks in order, separated by commas; without FAMILY: the kitchen's"


def _sim_arguments(models: str, policy: str, task: str) -> tuple[LaunchArgument, ...]:
    """What a simulated scene is started with, with these defaults."""
    return (
        LaunchArgument("models", models, "folder of the bundle that acts, or the name of a shipped one"),
        LaunchArgument(
            "policy",
            policy,
            "who acts: the bundle's policy, its skill prior, a scripted operator without skills, or nobody; auto: the "
            "policy of models where that is given, else the family's scripted operator, else nobody",
            POLICIES,
        ),
        LaunchArgument("task", task, _TASK),
        LaunchArgument("rate", "realtime", "realtime, or lockstep: as fast as it goes", ("realtime", "lockstep")),
        LaunchArgument("episodes", "0", "end after this many episodes; 0 never ends", is_count=True),
        LaunchArgument("seed", "0", "seed of the first episode", is_count=True),
        LaunchArgument("record", "none", "folder to record every episode to, or none"),
        *_viewer_arguments(WEB),
        *COMMON_ARGUMENTS,
    )


SIM = Bringup(
    name="sim",
    description="The simulated scene of any task family, and who works in it.",
    arguments=_sim_arguments(models="", policy=AUTO, task=DEFAULT_FAMILY),
    nodes=_sim_nodes,
)

KITCHEN_SIM = Bringup(
    name="kitchen_sim",
    description="The simulated kitchen, and a policy that works in it through the skill executor.",
    arguments=_sim_arguments(models="kitchen", policy=LEARNED, task="kitchen"),
    nodes=_sim_nodes,
)

RECORD = Bringup(
    name="record",
    description="The recorder, beside whatever graph runs: one bag per episode.",
    arguments=(
        LaunchArgument("folder", "recordings", "folder that the episodes go to"),
        LaunchArgument(
            "start",
            "manual",
            "manual: by the services start_recording and stop_recording; each_episode: as the task status says",
            ("manual", "each_episode"),
        ),
        LaunchArgument("operator_name", "", "who demonstrates, where start_recording does not say"),
        *COMMON_ARGUMENTS,
    ),
    nodes=_record_nodes,
)

TELEOP = Bringup(
    name="teleop",
    description="A person moves a simulated arm, the kitchen's by default, or a real one by keyboard, gamepad or "
    "twists, with the recorder.",
    arguments=(
        LaunchArgument(
            "robot",
            DEFAULT_FAMILY,
            f"the arm: a task family's, which is simulated, or a file of config/robots ({', '.join(ROBOTS)}), whose "
            "driver and controllers run already",
        ),
        LaunchArgument("robot_file", "", "configuration like config/robots/generic.yaml, read instead of the robot's"),
        LaunchArgument(
            "urdf", "", "file with the URDF of such an arm; empty for what is published on robot_description"
        ),
        LaunchArgument(
            "use_fake_hardware",
            "false",
            "start a stand-in for such an arm; nothing real is moved then",
            ("true", "false"),
        ),
        LaunchArgument(
            "task",
            "",
            "of a simulated arm [FAMILY:]TASK, empty for its first one; of another arm any name for what is "
            "demonstrated",
        ),
        LaunchArgument(
            "rate", "realtime", "realtime, or lockstep: one control step per command", ("realtime", "lockstep")
        ),
        LaunchArgument("seed", "0", "seed of the first episode", is_count=True),
        LaunchArgument("max_steps", "1500", "control steps until an episode's time is up", is_count=True),
        LaunchArgument("record", "recordings", "folder that the recorder writes episodes to, or none"),
        LaunchArgument("operator_name", "", "who demonstrates, stored with recordings"),
        LaunchArgument("keyboard", "auto", "auto: keys of this terminal, if it is one", ("auto", "none")),
        LaunchArgument("gamepad", "xbox", "layout of the gamepad on the topic joy", ("xbox", "dualshock", "sdl")),
        LaunchArgument("gamepad_file", "", "file with a layout of your own, read instead: docs/recording.md"),
        *_viewer_arguments(WEB),
        *_common_arguments(
            LaunchArgument(
                "use_sim_time",
                "auto",
                "take time from a simulator's clock; auto: for a simulated arm, and nowhere else",
                ("auto", "true", "false"),
            )
        ),
    ),
    nodes=_teleop_nodes,
)


def _real_arm_nodes(values: Mapping[str, str]) -> list[NodeDescription]:
    respawn = Respawn.AFTER_CRASH if values["respawn"] == "true" else Respawn.NEVER
    nodes = real_arm_parameters(values)
    return [NodeDescription(name, name, parameters, respawn=respawn) for name, parameters in nodes.items()]


REAL_ARM = Bringup(
    name="real_arm",
    description="Skills on a real arm whose driver and controllers run already, or on a stand-in for it.",
    arguments=(
        LaunchArgument("robot", "ur5e", "the arm: a file of config/robots", ROBOTS),
        LaunchArgument("robot_file", "", "configuration like config/robots/generic.yaml, read instead of the robot's"),
        LaunchArgument("bundle", "", "folder of a bundle for this arm, as `spirl export` wrote it"),
        LaunchArgument("speed", "0.1", "share of the speed that skills were learned at; the same motion, slower"),
        LaunchArgument(
            "scene_state_topic",
            NO_SCENE,
            "measured scene states, for bundles that observe more than the joints; or none",
        ),
        LaunchArgument(
            "use_fake_hardware", "false", "start a stand-in for the arm; nothing real is moved then", ("true", "false")
        ),
        LaunchArgument(
            "policy",
            NO_POLICY,
            "who chooses skills when ~/start of skill_policy is called: nobody, the bundle's skill prior or its policy",
            ARM_POLICIES,
        ),
        LaunchArgument(
            "max_steps",
            "200",
            "control steps that such an episode has; 0: a node of yours publishes task_status and resets the scene",
            is_count=True,
        ),
        LaunchArgument(
            "respawn",
            "false",
            "restart a node that was killed or crashed, instead of ending; it moves nothing before the next skill",
            ("true", "false"),
        ),
        *_common_arguments(
            LaunchArgument("use_sim_time", "false", "take time from a simulator's clock", ("true", "false"))
        ),
    ),
    nodes=_real_arm_nodes,
)


# The folder of a run's skills. Named here, because rl/run.py needs torch.
_RUN_SKILLS_FOLDER = "skills"


def _train_nodes(values: Mapping[str, str]) -> list[NodeDescription]:
    remappings = (("/clock", "clock"),) if values["namespace"] else ()
    learning = [
        NodeDescription(name, name, given, remappings, Respawn.AFTER_CRASH)
        for name, given in training_parameters(values).items()
    ]
    # Of the run, not of `models`, which the executor only begins with. A new run makes it while the graph starts.
    skills = str(Path(values["out"]).expanduser().absolute() / _RUN_SKILLS_FOLDER)
    return [_simulator_node(values), *learning, *_viewer_nodes(values, split_task(values["task"])[0], skills)]


TRAIN = Bringup(
    name="train",
    description="Learn a simulated task through executor and safety filter; resumes where it stopped.",
    arguments=(
        LaunchArgument("out", "", "folder of the run; a run that is there already resumes"),
        LaunchArgument("skills", "", "folder of spirl skills train, for a new run"),
        LaunchArgument("data", "", "where the dataset of the skills is now, when it was moved"),
        LaunchArgument("models", "kitchen", "bundle that the executor begins with, until it has the run's own skills"),
        LaunchArgument("task", DEFAULT_FAMILY, _TASK),
        LaunchArgument("preset", "best", "settings of the learner to begin with, see spirl rl train"),
        LaunchArgument("settings", "", "changes of them for a new run, such as 'steps=20000 stop_at=3.5'"),
        LaunchArgument("rate", "lockstep", "lockstep: as fast as it goes, or realtime", ("lockstep", "realtime")),
        LaunchArgument("seed", "0", "seed of a new run", is_count=True),
        *_viewer_arguments(NONE),
        *COMMON_ARGUMENTS,
    ),
    nodes=_train_nodes,
)

MONITOR = Bringup(
    name="monitor",
    description="The web page and RViz's markers, beside whatever graph runs.",
    arguments=(
        LaunchArgument("scene", DEFAULT_FAMILY, "task family whose scene is shown"),
        LaunchArgument("models", NONE, "bundle whose skills RViz shows before they are executed, or none"),
        *_viewer_arguments(WEB),
        *COMMON_ARGUMENTS,
    ),
    nodes=_monitor_nodes,
)

BRINGUPS = {bringup.name: bringup for bringup in (SIM, KITCHEN_SIM, TELEOP, RECORD, REAL_ARM, TRAIN, MONITOR)}
"""Every graph by name."""
