"""Changes frozen configurations by name and value, as `--set NAME=VALUE` gives them."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import yaml

from spirl_ros.errors import ConfigError


def change_by_name(configs: Sequence[Any], changes: Sequence[str]) -> list[Any]:
    """Dataclasses with changes such as `latent_size=12`; each goes to the first that has a field of that name.

    Raises:
        ConfigError: no field of that name, or a value of another kind than the present one.
    """
    changed = list(configs)
    for change in changes:
        name, separator, text = change.partition("=")
        if not separator:
            raise ConfigError(f"change is '{change}', expected NAME=VALUE.")
        for index, config in enumerate(changed):
            if name in _names(config):
                changed[index] = _replace(config, name, text)
                break
        else:
            known = ", ".join(known for config in changed for known in _names(config))
            raise ConfigError(f"'{name}' is unknown. Known: {known}.")
    return changed


def _names(config: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(config)]


def _replace(config: Any, name: str, text: str) -> Any:
    present = getattr(config, name)
    try:
        value = yaml.safe_load(text)
        if isinstance(present, float) and isinstance(value, (int, str)) and not isinstance(value, bool):
            value = float(value)  # YAML reads 1e-3 as a string
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError):
        value = None
    if type(value) is not type(present):
        raise ConfigError(f"{name} is '{text}', expected a value such as {present}.")
    return dataclasses.replace(config, **{name: value})
