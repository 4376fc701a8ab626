"""ROS parameters from a configuration dataclass: declared once, described, ranged; unknown ones refused."""

import dataclasses
import difflib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from spirl_ros.errors import ConfigError
from spirl_ros.files.outside_text import shortened
from spirl_ros.files.plain_yaml import read_yaml_file

Config = TypeVar("Config")

_OF_EVERY_NODE = ("use_sim_time", "start_type_description_service")
_OF_EVERY_NODE_PREFIX = "qos_overrides."


def parameter(
    default: Any,
    description: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A field of a configuration dataclass that becomes a ROS parameter of the same name and type."""
    metadata = {"description": description, "minimum": minimum, "maximum": maximum, "choices": choices}
    return dataclasses.field(default=default, metadata=metadata)


def declare_parameters(node: Node, config_type: type) -> None:
    """Declare every field of a configuration dataclass.

    Raises:
        ConfigError: an override has an unknown name, a wrong type or a value that is not allowed.
    """
    fields = {field.name: field for field in dataclasses.fields(config_type)}
    _refuse_unknown_overrides(node, [*fields, *node._parameters])
    node.add_on_set_parameters_callback(lambda parameters: _check_choices(fields, parameters))
    for field in fields.values():
        given = node._parameter_overrides.get(field.name)
        if given is not None and given.type_ is Parameter.Type.NOT_SET:
            raise ConfigError(
                f"parameter {field.name} has no value, expected {_expected(field)}. Leave it out, or give one."
            )
        try:
            node.declare_parameter(field.name, field.default, _descriptor(field))
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            given = node._parameter_overrides[field.name].value
            raise ConfigError(
                f"parameter {field.name} is {shortened(given)}, expected {_expected(field)}: "
                f"{field.metadata['description']}"
            ) from error


def read_parameters(node: Node, config_type: type[Config]) -> Config:
    """The configuration as the parameters are now."""
    values = {field.name: node.get_parameter(field.name).value for field in dataclasses.fields(config_type)}  # pyright: ignore[reportArgumentType]
    return config_type(**values)


def _refuse_unknown_overrides(node: Node, known: list[str]) -> None:
    # rclpy drops overrides of undeclared parameters without a word and offers no public way to see them.
    for_all = names_for_all(sys.argv)
    for name in node._parameter_overrides:
        if name not in known and name not in _OF_EVERY_NODE and not name.startswith(_OF_EVERY_NODE_PREFIX):
            if name in for_all:
                node.get_logger().info(
                    f"parameter {name} stands under /** for other nodes; this one has none of that name"
                )
                continue
            close = difflib.get_close_matches(name, known, n=1)
            guess = f" Did you mean {close[0]}?" if close else ""
            mine = [other for other in known if other not in _OF_EVERY_NODE]
            raise ConfigError(f"{node.get_name()} has no parameter {name}.{guess} It has: {', '.join(sorted(mine))}.")


def names_for_all(arguments: Sequence[str]) -> set[str]:
    """Parameters that parameter files give to every node, under `/**`: some of them are for others alone.

    Args:
        arguments: of the process, where `--params-file` names the files.
    """
    files = [Path(value) for flag, value in zip(arguments, arguments[1:], strict=False) if flag == "--params-file"]
    names: set[str] = set()
    for file in files:
        try:
            content = read_yaml_file(file)
        except ConfigError:
            continue  # ROS has read it already, and is stricter about what matters to it
        section = content.get("/**") if isinstance(content, dict) else None
        given = section.get("ros__parameters") if isinstance(section, dict) else None
        names |= set(_flat(given, "")) if isinstance(given, dict) else set()
    return names


def _flat(values: dict[str, Any], prefix: str) -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _check_choices(fields: dict[str, dataclasses.Field], parameters: list[Parameter]) -> SetParametersResult:
    for changed in parameters:
        field = fields.get(changed.name)
        if field is not None and field.metadata["choices"] and changed.value not in field.metadata["choices"]:
            reason = f"{changed.name} is '{changed.value}', expected {_expected(field)}"
            return SetParametersResult(successful=False, reason=reason)
    return SetParametersResult(successful=True)


def _expected(field: dataclasses.Field) -> str:
    metadata = field.metadata
    if metadata["choices"]:
        return f"one of {', '.join(metadata['choices'])}"
    kind = {
        bool: "true or false",
        int: "an integer",
        float: "a number with a decimal point",
        str: "a text",
        tuple: "a list of texts",
    }
    bounds = [
        f"{word} {bound}"
        for word, bound in (("at least", metadata["minimum"]), ("at most", metadata["maximum"]))
        if bound is not None
    ]
    return " ".join([kind[type(field.default)], *bounds])


def _descriptor(field: dataclasses.Field) -> ParameterDescriptor:
    metadata = field.metadata
    descriptor = ParameterDescriptor(description=metadata["description"])
    if metadata["choices"]:
        descriptor.additional_constraints = f"one of {', '.join(metadata['choices'])}"
    if metadata["minimum"] is not None or metadata["maximum"] is not None:
        if isinstance(field.default, int):
            lower = -(2**63) if metadata["minimum"] is None else int(metadata["minimum"])
            upper = 2**63 - 1 if metadata["maximum"] is None else int(metadata["maximum"])
            descriptor.integer_range = [IntegerRange(from_value=lower, to_value=upper, step=0)]
        else:
            lower = float("-inf") if metadata["minimum"] is None else float(metadata["minimum"])
            upper = float("inf") if metadata["maximum"] is None else float(metadata["maximum"])
            descriptor.floating_point_range = [FloatingPointRange(from_value=lower, to_value=upper, step=0.0)]
    return descriptor


def names_in(text: str) -> tuple[str, ...]:
    """Names separated by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
