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
