"""Who acts in a simulated scene: nodes and their parameters from the arguments of a launch file."""

from collections.abc import Mapping
from pathlib import Path

from spirl_ros.demonstrations.operator_style import DEFAULT_STYLE
from spirl_ros.deployment.bundle_description import BundleDescription
from spirl_ros.deployment.bundle_file import find_bundle, read_description
from spirl_ros.errors import ConfigError
from spirl_ros.files.outside_text import shortened
from spirl_ros.tasks.families import DEFAULT_FAMILY, family_names, find_family, split_task
from spirl_ros.tasks.task import TaskFamily, TaskSpec

Parameters = dict[str, bool | int | float | str]

AUTO, LEARNED, PRIOR, SCRIPTED, NONE = POLICIES = ("auto", "learned", "prior", "scripted", "none")
"""Whoever there is, the bundle's policy, its skill prior, the scripted operator without skills, nobody."""

SIMULATED_AGE_S = 1.0
"""Oldest states that the executor trusts [s]: on a busy machine the simulator is late, which is harmless here."""


def acting_parameters(values: Mapping[str, str]) -> dict[str, Parameters]:
    """Parameters of the nodes that move the arm, by node name, for checked argument values."""
    policy, autostart = acting_policy(values), values["autostart"] == "true"
    episodes: Parameters = {
        "episodes": int(values["episodes"]),
        "seed": int(values["seed"]),
        "wait_for_recorder": values["record"] != "none",
    }
    if policy == NONE:
        return {}
    if policy == SCRIPTED:
        use_sim_time = values["use_sim_time"] == "true"
        return {
            "scripted_operator": {
                "task": values["task"],
                **episodes,
                "autostart": autostart,
                "use_sim_time": use_sim_time,
            }
        }
    skills: Parameters = {
        "bundle": str(bundle_folder(values["models"])),
        "rate": values["rate"],
        "autostart": autostart,
        # Both go by the steady clock; the simulator's would wake them a hundred times a second.
        "use_sim_time": False,
    }
    choice: Parameters = {"source": "policy", "latent": "mean"}
    if policy == PRIOR:
        choice = {"source": "prior", "latent": "sample"}
    return {
        "skill_executor": {**skills, "max_age_s": SIMULATED_AGE_S, "max_missed": 12},
        "skill_policy": {**skills, **choice, **episodes, "start": "at_once", "goes_on": True},
    }


def acting_policy(values: Mapping[str, str]) -> str:
    """Who acts: what is asked for, or by itself the given bundle's policy, the scripted operator, or nobody."""
    if values["policy"] != AUTO:
        return values["policy"]
    if values["models"]:
        return LEARNED
    return NONE if split_task(values["task"])[0].operator(DEFAULT_STYLE) is None else SCRIPTED


def simulated_task(robot: str, task: str) -> tuple[TaskFamily, TaskSpec] | None:
    """The simulated robot that is meant, and its task; None for a real arm.

    Args:
        robot: a task family, or a real arm.
        task: `[FAMILY:]TASK`; its family comes before the default one.

    Raises:
        ConfigError: no such task, or one of another family than the robot's.
    """
    if robot not in family_names():
        return None
    if not task:
        family = find_family(robot)
        return family, family.task("")
    family, spec = split_task(task, default=robot)
    if robot not in (DEFAULT_FAMILY, family.name):
        raise ConfigError(
            f"argument task is '{task}' of the family {family.name}, but robot is '{robot}'. Leave one of them out."
        )
    return family, spec


def check_policy(values: Mapping[str, str]) -> None:
    """Say before anything is started that a bundle cannot do this.

    Raises:
        ConfigError: there is no such bundle, it is for another robot, or its policy does another task.
        BundleError: its description cannot be read.
    """
    policy = acting_policy(values)
    if policy not in (LEARNED, PRIOR):
        return
    family, task = split_task(values["task"])
    folder, others = bundle_folder(values["models"]), "Use policy:=prior or policy:=scripted"
    about = read_description(folder)
    if policy == LEARNED and about.policy is None:
        raise ConfigError(f"{folder} holds skills alone, expected a policy. {others}, or another bundle.")
    if policy == LEARNED and about.target_subtasks != task.goals:
        raise ConfigError(
            f"argument task is '{values['task']}', but the policy of {folder} was trained for "
            f"{','.join(about.target_subtasks)}. {others} for this task."
        )
    if policy == PRIOR:
        check_fits(about, family)


def check_fits(about: BundleDescription, family: TaskFamily) -> None:
    """Raise ConfigError where skills observe other values than the family's robot gives."""
    names = family.robot.observation_names
    if about.state.names != names:
        raise ConfigError(
            f"argument models is a bundle that observes {shortened(', '.join(about.state.names))}, but "
            f"{family.name} has {shortened(', '.join(names))}. Give skills of this family: "
            "models:=<folder that `spirl export` wrote>."
        )


def bundle_folder(models: str) -> Path:
    """The folder of a bundle, given as that or by the name of a shipped one; errors as find_bundle."""
    return find_bundle(models, "argument models")
