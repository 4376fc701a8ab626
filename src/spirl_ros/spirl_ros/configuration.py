"""Frozen configurations from what a file holds, and changed by name and value as `--set NAME=VALUE` gives them."""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from spirl_ros.errors import ConfigError
from spirl_ros.files.plain_yaml import parse_yaml, printable, shortened

_KINDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}


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


def from_plain(value: Any, kind: Any, where: str = "") -> Any:
    """What YAML or JSON gave as a value of an annotated type: nested dataclasses, tuples, mappings, numbers.

    Raises:
        ConfigError: a name is unknown or missing, or a value has another type or is not finite; the message says where.
    """
    origin = typing.get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return _mapping_from_plain(value, kind, where)
    if origin is types.UnionType:
        kinds = typing.get_args(kind)
        if value is None and types.NoneType in kinds:
            return None
        inner = [part for part in kinds if part is not types.NoneType]
        fitting = [part for part in inner if (typing.get_origin(part) is tuple) == isinstance(value, list)]
        return from_plain(value, (fitting or inner)[0], where)
    if origin is tuple:
        if not isinstance(value, list):
            raise ConfigError(f"{where} is {shortened(value)}, expected a list.")
        inner = typing.get_args(kind)[0]
        return tuple(from_plain(entry, inner, f"{where}[{index}]") for index, entry in enumerate(value))
    if origin is Mapping:
        if not isinstance(value, dict):
            raise ConfigError(f"{where} is {shortened(value)}, expected keys and values.")
        inner = typing.get_args(kind)[1]
        return {key: from_plain(entry, inner, f"{where}.{key}") for key, entry in value.items()}
    if kind is Any:
        return _check_figure(value, where)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if _is_finite(value) else math.inf
    if type(value) is not kind:
        raise ConfigError(f"{where} is {shortened(value)}, expected a {_KINDS[kind]}.")
    if kind is float and not _is_finite(value):
        raise ConfigError(f"{where} is {shortened(value)}, expected a finite number.")
    return value


def _names(config: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(config)]


def _replace(config: Any, name: str, text: str) -> Any:
    present = getattr(config, name)
    try:
        value = parse_yaml(text, name)
        if isinstance(present, float) and isinstance(value, (int, str)) and not isinstance(value, bool):
            value = float(value)  # YAML reads 1e-3 as a string
    except (ValueError, OverflowError):
        value = None
    if type(value) is not type(present):
        raise ConfigError(f"{name} is {shortened(text)}, expected a value such as {present}.")
    return dataclasses.replace(config, **{name: value})


def _mapping_from_plain(value: Any, kind: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise ConfigError(f"{where or 'the file'} is {shortened(value)}, expected keys and values.")
    prefix = f"{where}." if where else ""
    known = {field.name: field for field in dataclasses.fields(kind)}
    if unknown := [name for name in value if name not in known]:
        raise ConfigError(f"{prefix}{printable(str(unknown[0]), limit=80)} is unknown. Known are {', '.join(known)}.")
    required = [name for name, field in known.items() if field.default is field.default_factory is dataclasses.MISSING]
    if missing := [name for name in required if name not in value]:
        raise ConfigError(f"{', '.join(prefix + name for name in missing)} is missing.")
    hints = typing.get_type_hints(kind)
    converted = {name: from_plain(entry, hints[name], prefix + name) for name, entry in value.items()}
    return kind(**converted)


def _check_figure(value: Any, where: str) -> Any:
    if isinstance(value, dict):
        return {key: _check_figure(entry, f"{where}.{key}") for key, entry in value.items()}
    if isinstance(value, list):
        return [_check_figure(entry, f"{where}[{index}]") for index, entry in enumerate(value)]
    is_number = isinstance(value, (int, float)) and _is_finite(value)
    if not (is_number or value is None or isinstance(value, str)):
        raise ConfigError(f"{where} is {shortened(value)}, expected a finite number or a text.")
    return value


def _is_finite(value: float) -> bool:
    """Whether a number is finite; False too for whole numbers that no float can hold."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
