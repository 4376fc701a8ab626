"""Errors that a user can act on: each says what was found, what was expected and the next step."""


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


class DatasetError(SpirlError, ValueError):
    """A file of demonstrations cannot be read or written: not a dataset, another schema, truncated or not finite."""


_HOW_TO_INSTALL = {
    "mujoco": "Simulation needs it: pip install 'spirl_ros[sim]', or `make setup` in the repository.",
    "spirl_msgs": "Nodes need it: build the workspace with colcon and source install/setup.sh, or use `make shell`.",
    "rclpy": "Nodes need it: source a ROS 2 distribution, or use `make shell` in the repository.",
}


def explain(error: BaseException) -> str | None:
    """One line for an error that the user can mend, with the next step; None for every other error."""
    if isinstance(error, SpirlError):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and error.name in _HOW_TO_INSTALL:
        return f"the package {error.name} is not installed. {_HOW_TO_INSTALL[error.name]}"
    return None
