"""Refuses options that would do nothing: whoever gives one expects something of it."""

import argparse
from collections.abc import Sequence

from spirl_ros.errors import ConfigError


def refuse_options(parsed: argparse.Namespace, names: Sequence[str], reason: str) -> None:
    """Refuse options that were given and have no meaning beside another.

    Args:
        parsed: the command line; an option that was not given is None.
        names: of options, without dashes.
        reason: what makes them meaningless, as the first half of a sentence.

    Raises:
        ConfigError: one of them was given.
    """
    given = [f"--{name.replace('_', '-')}" for name in names if getattr(parsed, name) is not None]
    if given:
        raise ConfigError(f"{reason}, so {', '.join(given)} would do nothing. Leave it out.")
