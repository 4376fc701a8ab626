"""Who acts in the simulated kitchen: nodes and their parameters from the arguments of a launch file."""

from collections.abc import Mapping
from pathlib import Path

from spirl_ros.deployment.bundle_file import read_description
from spirl_ros.deployment.bundle_place import find_bundle
from spirl_ros.errors import ConfigError
from spirl_ros.tasks.kitchen.subtasks import target_subtasks

Parameters = dict[str, bool | int | float | str]

LEARNED, PRIOR, SCRIPTED, NONE = POLICIES = ("learned", "prior", "scripted", "none")
"""The bundle's policy, its skill prior, the scripted operator without skills, nobody."""

SIMULATED_AGE_S = 1.0
"""States that the executor still trusts [s]: on a busy machine the simulator is late, and nobody is hurt."""


def acting_parameters(values: Mapping[str, str]) -> dict[str, Parameters]:
    """Parameters of the nodes that move the arm, by node name, for checked argument values."""
    policy, autostart = values["policy"], values["autostart"] == "true"
    episodes: Parameters = {
        "episodes": int(values["episodes"]),
        "seed": int(values["seed"]),
        "wait_for_recorder": values["record"] != "none",
    }
    if policy == NONE:
        return {}
    if policy == SCRIPTED:
        use_sim_time = values["use_sim_time"] == "true"
        return {"scripted_operator": {**episodes, "autostart": autostart, "use_sim_time": use_sim_time}}
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


def check_policy(values: Mapping[str, str]) -> None:
    """Say before anything is started that a bundle cannot do this.

    Raises:
        ConfigError: there is no such bundle, or its policy does another task.
        BundleError: its description cannot be read.
    """
    if values["policy"] not in (LEARNED, PRIOR):
        return
    folder, others = bundle_folder(values["models"]), "Use policy:=prior or policy:=scripted"
    about = read_description(folder)
    if values["policy"] == LEARNED and about.policy is None:
        raise ConfigError(f"{folder} holds skills alone, expected a policy. {others}, or another bundle.")
    if values["policy"] == LEARNED and about.target_subtasks != target_subtasks(values["task"]):
        raise ConfigError(
            f"argument task is '{values['task']}', but the policy of {folder} was trained for "
            f"{','.join(about.target_subtasks)}. {others} for this task."
        )


def bundle_folder(models: str) -> Path:
    """The folder of a bundle, given as that or by the name of a shipped one; errors as find_bundle."""
    return find_bundle(models, "argument models")
