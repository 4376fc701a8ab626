"""What `train` starts beside the simulator: the skill executor, and the trainer that has it learn."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spirl_ros.bringup.simulation import SIMULATED_AGE_S, bundle_folder, check_fits
from spirl_ros.deployment.bundle_file import read_description
from spirl_ros.errors import ConfigError
from spirl_ros.tasks.families import split_task

# Named here, because training_folder.py needs torch.
_RUN_FILE = "config.yaml"


def training_parameters(values: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Parameters by node, for checked argument values of `train`.

    Raises:
        ConfigError: nothing to go on with and nothing to begin with, or no bundle of this robot for the executor
            to begin with.
    """
    if not values["out"]:
        raise ConfigError("argument out is empty, expected the folder of the run: out:=<folder>.")
    out = Path(values["out"]).expanduser().absolute()
    is_new = not (out / _RUN_FILE).is_file()
    if is_new and not values["skills"]:
        raise ConfigError(f"{out} holds no run to resume. Give skills:=<folder of spirl skills train> to begin one.")
    # They go by the steady clock; the simulator's would only wake them.
    common = {"autostart": values["autostart"] == "true", "use_sim_time": False}
    bundle = bundle_folder(values["models"])
    check_fits(read_description(bundle), split_task(values["task"])[0])
    settings = f"task={values['task']} seed={values['seed']} {values['settings']}"
    return {
        # Until the run's own skills are there, which the trainer has it load.
        "skill_executor": {
            "bundle": str(bundle),
            "rate": values["rate"],
            "max_age_s": SIMULATED_AGE_S,
            **common,
        },
        "trainer": {
            "out": str(out),
            "skills": _absolute(values["skills"]),
            "data": _absolute(values["data"]),
            "preset": values["preset"],
            "settings": settings.strip() if is_new else "",
            "patience_s": 30.0,
            "retries": 5,
            **common,
        },
    }


def _absolute(folder: str) -> str:
    return str(Path(folder).expanduser().absolute()) if folder else ""
