"""The folder of one training, whatever it trains: configuration, metrics, checkpoints. Every file appears whole."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
import yaml

from spirl_ros.configuration import from_plain
from spirl_ros.errors import ConfigError, TrainingError
from spirl_ros.files.plain_yaml import read_yaml_file

CONFIG_FILE, CHECKPOINT_FILE, BEST_FILE, METRICS_FILE = "config.yaml", "checkpoint.pt", "best.pt", "metrics.jsonl"

_Config = TypeVar("_Config")


class TrainingFolder:
    """Files of one training. Each is written under a temporary name, then renamed; metrics grow line by line."""

    def __init__(self, folder: Path) -> None:
        """Use an existing folder; see `begin` for a new one."""
        self.folder = folder

    def begin(self, config: Mapping[str, Any]) -> None:
        """Make the folder and write its configuration.

        Raises:
            ConfigError: it exists already.
        """
        if self.folder.exists() and any(self.folder.iterdir()):
            raise ConfigError(f"{self.folder} exists already. Add --resume to resume it, or choose another folder.")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write_config(config)

    def discard(self) -> None:
        """Delete the folder of a training that was refused before it learned anything."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write the configuration, in place of the one that is there."""
        text = yaml.safe_dump(_plain(config), sort_keys=False)
        self.write(CONFIG_FILE, lambda path: path.write_text(text, encoding="utf-8"))

    def longer(self, steps: int, wanted: int) -> int:
        """The wanted number of steps of a training that has `steps`; raises ConfigError when it is smaller."""
        if wanted < steps:
            raise ConfigError(
                f"steps is {wanted}, but {self.folder} was started with {steps}. --resume makes a training longer; "
                "Ctrl-C ends it early."
            )
        return wanted

    def read_config(self, kind: type[_Config], what: str, command: str) -> _Config:
        """The configuration that `begin` wrote.

        Args:
            kind: its dataclass.
            what: what the folder should be, for the message.
            command: what would have written it.

        Raises:
            ConfigError: there is none, or it cannot be read.
        """
        path = self.folder / CONFIG_FILE
        if not path.is_file():
            raise ConfigError(f"{self.folder} is no {what}: there is no {path}. Expected --out of {command}.")
        try:
            return from_plain(read_yaml_file(path), kind)
        except ConfigError as error:
            raise ConfigError(
                f"{path} cannot be used: {str(error).rstrip('.')}. Expected what {command} wrote."
            ) from error

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Keep all that is needed to go on."""
        self.write(CHECKPOINT_FILE, lambda path: torch.save(dict(state), path))

    def save_best(self, state: Mapping[str, Any]) -> None:
        """Keep the best weights so far."""
        self.write(BEST_FILE, lambda path: torch.save(dict(state), path))

    def load_checkpoint(self) -> dict[str, Any] | None:
        """The last checkpoint, None before the first. Raises TrainingError when it cannot be read."""
        return load_tensors(self.folder / CHECKPOINT_FILE) if (self.folder / CHECKPOINT_FILE).is_file() else None

    def restore_checkpoint(self, restore: Callable[[dict[str, Any]], object]) -> None:
        """Hand the last checkpoint over; nothing happens before the first.

        Raises:
            TrainingError: it cannot be read, or belongs to another training.
        """
        checkpoint = self.load_checkpoint()
        if checkpoint is None:
            return
        path = self.folder / CHECKPOINT_FILE
        try:
            restore(checkpoint)
        except (RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise TrainingError(
                f"{path} does not fit {CONFIG_FILE} beside it: {str(error).splitlines()[0]} "
                "Put this training's own checkpoint back, or delete it to begin again."
            ) from error

    def load_best(self, first: str) -> dict[str, Any]:
        """The best weights so far.

        Raises:
            TrainingError: there are none before the training's first `first`, or the file cannot be read.
        """
        path = self.folder / BEST_FILE
        if not path.is_file():
            raise TrainingError(f"{self.folder} has no {BEST_FILE} yet. Train until the first {first}.")
        return load_tensors(path)

    def append_metrics(self, values: Mapping[str, Any]) -> None:
        """Add one line of JSON to the metrics."""
        with (self.folder / METRICS_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(dict(values)) + "\n")

    def metrics(self) -> list[dict[str, Any]]:
        """All metrics so far; a line that a crash cut off is left out."""
        path = self.folder / METRICS_FILE
        if not path.is_file():
            return []
        lines = path.read_text(encoding="utf-8").split("\n")
        return [json.loads(line) for line in lines[:-1]]

    def keep_metrics_until(self, step: int, updates: int | None = None) -> None:
        """Drop the metrics after a step: a resumed training writes them again.

        Args:
            step: of the training.
            updates: gradient steps by then, where many of them belong to one step; None where `step` says it all.
        """

        def is_before(values: Mapping[str, Any]) -> bool:
            is_later = updates is not None and values.get("updates", 0) > updates
            return values["step"] < step or (values["step"] == step and not is_later)

        lines = [json.dumps(values) + "\n" for values in self.metrics() if is_before(values)]
        self.write(METRICS_FILE, lambda path: path.write_text("".join(lines), encoding="utf-8"))

    def write(self, name: str, write: Callable[[Path], object]) -> None:
        """Write a file completely or not at all.

        Raises:
            TrainingError: the disk refuses; the file that was there stays.
        """
        # Not a file of mkstemp, which nobody else may read: the user's umask says who may read a training.
        path = self.folder / f".{name}.{os.getpid()}.writing"
        try:
            write(path)
            with path.open("rb") as file:
                os.fsync(file.fileno())
            path.rename(self.folder / name)
        except (OSError, RuntimeError) as error:
            path.unlink(missing_ok=True)
            raise TrainingError(
                f"{self.folder / name} cannot be written: {error}. The previous one is kept; free space and --resume."
            ) from error


def load_tensors(path: Path) -> dict[str, Any]:
    """What `torch.save` wrote, onto the CPU; nothing in it is executed. Raises TrainingError."""
    try:
        return torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # torch raises many kinds for a damaged file
        raise TrainingError(f"{path} cannot be read: {str(error).splitlines()[0]} Is it complete?") from error


def _plain(value: Any) -> Any:
    """Tuples as lists, which is all that safe YAML lacks."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, tuple) else value
