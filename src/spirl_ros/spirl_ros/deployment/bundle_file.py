"""Reads and writes bundle.yaml. Strict: what is unknown, missing, of another type or changed since is an error."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from spirl_ros.configuration import from_plain
from spirl_ros.control.velocity_action import MEASURED
from spirl_ros.deployment.bundle_description import BundleDescription
from spirl_ros.errors import BundleError, ConfigError
from spirl_ros.plain_yaml import parse_yaml, printable, read_regular_file, shortened

BUNDLE_FILE = "bundle.yaml"
FORMAT_VERSION = 1
"""Counts up when a reader of the old format would misunderstand a new file."""
LARGEST_FILE_BYTES = 1_000_000


def read_description(folder: Path) -> BundleDescription:
    """Read and check bundle.yaml of a bundle.

    Raises:
        BundleError: there is none, it cannot be understood, or it is not what was written; the message names the file.
    """
    path = folder / BUNDLE_FILE
    try:
        content = read_regular_file(path, LARGEST_FILE_BYTES)
    except ConfigError as error:
        raise BundleError(
            f"{printable(str(folder))} is not a bundle: {error} Expected a folder that `spirl export` wrote."
        ) from error
    try:
        return parse_description(content)
    except BundleError as error:
        raise BundleError(f"{printable(str(path))}: {error}") from error


def parse_description(content: bytes) -> BundleDescription:
    """The description in the bytes of a bundle.yaml; errors as for `read_description`."""
    data = _load_yaml(content)
    if "format_version" not in data:
        raise BundleError("format_version is missing: this is not the description of a bundle.")
    version = data.pop("format_version")
    if version != FORMAT_VERSION or isinstance(version, bool):
        is_newer = isinstance(version, int) and version > FORMAT_VERSION
        raise BundleError(
            f"format_version is {shortened(version)}, but this program reads {FORMAT_VERSION}. "
            + ("The bundle is newer: update spirl_ros." if is_newer else "Export the bundle again.")
        )
    written_digest = data.pop("digest", None)
    try:
        description = from_plain(data, BundleDescription)
    except ConfigError as error:
        raise BundleError(f"{error} A newer program may have written it, or export the bundle again.") from None
    digest = description_digest(description)
    if digest != written_digest:
        raise BundleError(
            f"digest is {shortened(written_digest)}, but the rest gives {digest}: the file was changed or damaged since it was "
            "written. Copy the bundle again, or export it again."
        )
    return description


def description_digest(description: BundleDescription) -> str:
    """SHA-256 over everything a description says: it identifies a bundle, files and all."""
    text = json.dumps(plain_description(description), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def format_description(description: BundleDescription) -> str:
    """The text of bundle.yaml for a description; BundleError when a figure is no number or text."""
    data = {
        "format_version": FORMAT_VERSION,
        **plain_description(description),
        "digest": description_digest(description),
    }
    text = yaml.safe_dump(data, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True)
    parse_description(text.encode())
    return (
        "# Written by `spirl export`, read by `spirl check` and every program that runs the bundle. Do not edit.\n"
        + text
    )


def _load_yaml(content: bytes) -> dict[str, Any]:
    if len(content) > LARGEST_FILE_BYTES:
        raise BundleError(f"it has {len(content)} bytes, expected at most {LARGEST_FILE_BYTES}.")
    try:
        data = parse_yaml(content.decode(), "it")
    except UnicodeDecodeError as error:
        raise BundleError(
            f"it is not UTF-8 text: {error.reason} at byte {error.start}. Copy the bundle again."
        ) from None
    except ConfigError as error:
        raise BundleError(f"{str(error).removeprefix('it: ')} Copy the bundle again.") from None
    if not isinstance(data, dict):
        raise BundleError(f"it holds a {type(data).__name__}, expected keys and values.")
    return data


def plain_description(description: BundleDescription) -> dict[str, Any]:
    """Lists, dicts, numbers and texts only."""

    def lists(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: lists(entry) for key, entry in value.items()}
        return [lists(entry) for entry in value] if isinstance(value, (tuple, list)) else value

    plain = lists(asdict(description))
    if plain["action"]["reference"] == MEASURED:
        del plain["action"]["reference"]  # Bundles from before it could be said have the same digest.
    return plain
