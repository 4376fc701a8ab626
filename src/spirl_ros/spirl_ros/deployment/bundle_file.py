"""Finds, reads and writes bundle.yaml.

Strict: what is unknown, missing, of another type or changed since is an error.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from spirl_ros.configuration import from_plain
from spirl_ros.control.observation_fields import STATE
from spirl_ros.control.velocity_action import MEASURED
from spirl_ros.deployment.bundle_description import FORMAT_VERSION, OLD_FORMAT, BundleDescription, graph_input
from spirl_ros.errors import BundleError, ConfigError
from spirl_ros.files.plain_yaml import parse_yaml, printable, read_regular_file, shortened
from spirl_ros.shipped import shipped

BUNDLE_FILE = "bundle.yaml"
LARGEST_FILE_BYTES = 1_000_000

_OLD_STATE = graph_input(STATE, OLD_FORMAT)
_SKILLS_FOLDER = "skills"
"""Within the folder of spirl rl train, which cannot be asked for it: it needs torch."""


def find_bundle(given: str | Path, asked: str) -> Path:
    """The folder of a bundle, given so, with ~ for the home, or by a shipped one's name; a folder comes first.

    Args:
        given: what somebody wrote.
        asked: what it is the value of, for the message.

    Raises:
        ConfigError: it is neither; the message says what it is instead and what to do.
    """
    folder = Path(given).expanduser().absolute()
    if (folder / BUNDLE_FILE).exists() or (folder / BUNDLE_FILE).is_symlink():
        return folder
    names = shipped_bundles()
    if str(given) in names:
        return shipped(f"models/{given}/{BUNDLE_FILE}").parent
    expected = (
        "which is not a bundle: expected a folder that `spirl export` wrote, or a shipped bundle: "
        f"{', '.join(names) or 'none is here'}."
    )
    raise ConfigError(f"{asked} is {shortened(str(given), limit=200)}, {expected} {_next_step(folder)}")


def shipped_bundles() -> list[str]:
    """Names of the bundles that are shipped."""
    try:
        return sorted(path.parent.name for path in shipped("models").glob(f"*/{BUNDLE_FILE}"))
    except ConfigError:
        return []


def read_description(folder: Path) -> BundleDescription:
    """Read and check bundle.yaml of a bundle.

    Raises:
        BundleError: there is none, it cannot be read, or it is not what was written; the message names the file.
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
    version = data["format_version"]
    if version not in (OLD_FORMAT, FORMAT_VERSION) or isinstance(version, bool):
        is_newer = isinstance(version, int) and version > FORMAT_VERSION
        raise BundleError(
            f"format_version is {shortened(version)}, but this program reads {OLD_FORMAT} and {FORMAT_VERSION}. "
            + ("The bundle is newer: update spirl_ros." if is_newer else "Export the bundle again.")
        )
    written_digest = data.pop("digest", None)
    try:
        description = from_plain(_from_old(data) if version == OLD_FORMAT else data, BundleDescription)
    except ConfigError as error:
        raise BundleError(f"{error} A newer program may have written it, or export the bundle again.") from None
    digest = description_digest(description)
    if digest != written_digest:
        raise BundleError(
            f"digest is {shortened(written_digest)}, but the rest gives {digest}: the file was changed or damaged "
            "since it was written. Copy the bundle again, or export it again."
        )
    return description


def description_digest(description: BundleDescription) -> str:
    """SHA-256 over everything a description says: it identifies a bundle, files and all."""
    text = json.dumps(plain_description(description), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def format_description(description: BundleDescription) -> str:
    """The text of bundle.yaml for a description; BundleError when a figure is no number or text."""
    data = {
        "format_version": description.format_version,
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
    del plain["format_version"]
    if plain["action"]["reference"] == MEASURED:
        del plain["action"]["reference"]  # Bundles from before it could be said have the same digest.
    return _to_old(plain) if description.format_version == OLD_FORMAT else _without_defaults(plain)


def _without_defaults(plain: dict[str, Any]) -> dict[str, Any]:
    """A description without what a field of its observation does not have: names of a picture, for example."""
    plain["observation"] = [{key: value for key, value in field.items() if value} for field in plain["observation"]]
    return plain


def _from_old(data: dict[str, Any]) -> dict[str, Any]:
    """A description of format 1 as one of today. Raises ConfigError where it is not even that."""
    data = dict(data)
    for part in ("decoder", "prior", "policy"):
        entry = data.get(part)
        if isinstance(entry, dict) and isinstance(entry.get("inputs"), list):
            data[part] = {**entry, "inputs": [STATE if name == _OLD_STATE else name for name in entry["inputs"]]}
    if "observation" in data:
        old = from_plain(data["observation"], _OldObservation, "observation")
        names, units = list(old.names), list(old.units)
        data["observation"] = [{"name": STATE, "shape": [len(names)], "names": names, "units": units}]
    if isinstance(data.get("probe"), dict) and "observation" in data["probe"]:
        data["probe"] = {**data["probe"], "observation": {STATE: data["probe"]["observation"]}}
    return data


def _to_old(plain: dict[str, Any]) -> dict[str, Any]:
    """What a bundle.yaml of format 1 says."""
    state = plain["observation"][0]
    plain["observation"] = {"names": state["names"], "units": state["units"]}
    plain["probe"]["observation"] = plain["probe"]["observation"][STATE]
    for part in ("decoder", "prior", "policy"):
        if plain[part] is not None:
            plain[part]["inputs"] = [_OLD_STATE if name == STATE else name for name in plain[part]["inputs"]]
    return plain


@dataclass(frozen=True)
class _OldObservation:
    names: tuple[str, ...]
    units: tuple[str, ...]


def _next_step(folder: Path) -> str:
    if not folder.exists():
        return f"There is no {folder}."
    if (folder / _SKILLS_FOLDER / BUNDLE_FILE).is_file():
        return f"It is a run of spirl rl train; the skills that it began with are {folder / _SKILLS_FOLDER}."
    if (folder / "config.yaml").is_file():
        return f"It is a training: make a bundle of it with `spirl export {folder} --out FOLDER`."
    if inside := sorted(path.parent.name for path in folder.glob(f"*/{BUNDLE_FILE}")):
        return f"Within it are bundles: {', '.join(inside[:5])}."
    return f"{folder} holds no {BUNDLE_FILE}."
