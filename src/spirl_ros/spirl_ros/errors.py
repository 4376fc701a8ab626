"""Errors that a user can act on: each says what was found, what was expected and the next step."""

import os
from collections.abc import Sequence

from spirl_ros.files.outside_text import printable


class SpirlError(Exception):
    """Base of every error that is the input's fault and not the program's."""


class ConfigError(SpirlError, ValueError):
    """A parameter, an argument or a configuration file has a value that cannot be used."""


class CommandError(SpirlError, ValueError):
    """A joint command cannot be sent to the arm: wrong size, wrong joints or not finite."""


class ObservationError(SpirlError, ValueError):
    """A measurement cannot become part of the observation: a name is missing or a value is not finite."""


class SceneError(SpirlError, RuntimeError):
    """A simulated scene cannot be loaded."""


class PlotError(SpirlError, OSError):
    """A picture cannot be written."""


class TrainingError(SpirlError, ArithmeticError):
    """Training cannot go on. What was saved before is kept."""


class DatasetError(SpirlError, ValueError):
    """A file of demonstrations cannot be read or written: not a dataset, another schema, truncated or not finite."""


class RecordingsError(DatasetError):
    """Several recordings cannot be used."""

    def __init__(self, summary: str, reasons: Sequence[str]) -> None:
        """Say how many, and of each why, which names it."""
        super().__init__("\n  ".join((summary, *reasons)))
        self.parts = (summary, *reasons)


class BundleError(SpirlError, ValueError):
    """A bundle cannot be written, read or used: damaged, incomplete, from a newer program or for another robot."""


class SkillError(SpirlError, ValueError):
    """A skill cannot be executed: its latent does not fit, another is under way, or an action is not finite."""


class RecordingError(SpirlError, RuntimeError):
    """An episode cannot be recorded: no space, no permission, another recorder, or an unknown message type."""


_HOW_TO_INSTALL = {
    "mcap": "Recordings need it: pip install mcap mcap-ros2-support, or `make setup` in the repository.",
    "mcap_ros2": "Reading recordings needs it: pip install mcap-ros2-support, or `make setup` in the repository.",
    "onnxruntime": "Bundles need it: pip install onnxruntime, or `make setup` in the repository.",
    "onnx": "Export needs it: pip install 'spirl_ros[train]', or `make setup EXTRAS='sim train'` in the repository.",
    "onnxscript": "Export needs it: pip install 'spirl_ros[train]', or `make setup EXTRAS='sim train'` in the "
    "repository.",
    "torch": "Training and export need it: pip install 'spirl_ros[train]', or `make setup EXTRAS='sim train'` in the "
    "repository.",
    "mujoco": "Simulation needs it: pip install 'spirl_ros[sim]', or `make setup` in the repository.",
    "mjviser": "The monitor's page needs it: pip install 'spirl_ros[sim]', or `make setup` in the repository.",
    "viser": "The monitor's page needs it: pip install 'spirl_ros[sim]', or `make setup` in the repository.",
    "minari": "Minari's datasets need it: pip install minari.",
    "matplotlib": "Plots need it: pip install matplotlib, or `make setup EXTRAS='sim train'` in the repository.",
    "pyarrow": "LeRobot's format needs it: pip install pyarrow, or `make setup EXTRAS='sim train'` in the repository.",
    "spirl_msgs": "Nodes need it: build the workspace with colcon and source install/setup.sh, or use `make shell`.",
    "rclpy": "Nodes need it: source a ROS 2 distribution, or use `make shell` in the repository.",
}

HOW_TO_DRAW = "Install OSMesa (apt install libosmesa6), or EGL with a driver (apt install libegl1 libgl1-mesa-dri)"
"""For a machine on which MuJoCo finds no OpenGL."""


def explain(error: BaseException) -> str | None:
    """What to tell of an error that the user can mend, with the next step; None for every other error.

    It is one line, or one of its own for each of several recordings: what came from outside cannot begin another.
    """
    if isinstance(error, RecordingsError):
        return "\n  ".join(printable(part, limit=1_000) for part in error.parts)
    if isinstance(error, SpirlError):
        return printable(str(error), limit=10_000)
    if isinstance(error, ModuleNotFoundError) and error.name in _HOW_TO_INSTALL:
        return f"the package {error.name} is not installed. {_HOW_TO_INSTALL[error.name]}"
    if _is_opengl_of_mujoco(error):
        return printable(
            f"MUJOCO_GL is '{os.environ.get('MUJOCO_GL', '')}', with which MuJoCo cannot be loaded "
            f"({type(error).__name__}: {error}). {HOW_TO_DRAW}, or unset MUJOCO_GL.",
            limit=1_000,
        )
    return None


def _is_opengl_of_mujoco(error: BaseException) -> bool:
    """Whether MuJoCo, which loads its OpenGL when it is imported, could not."""
    trace = error.__traceback__
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__"))
        if module.startswith("mujoco.") and module.endswith(".gl_context"):
            return True
        trace = trace.tb_next
    return False
