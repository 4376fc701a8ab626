"""What the set-up has reached, kept in the environment's folder, so that the next run knows what is left to do."""

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

from workspace.problem import SetupProblem

FILE_NAME = "spirl-setup.json"


@dataclass
class State:
    """The stages that are done, and the one that is not."""

    python: str = ""
    """The interpreter that the environment was made with."""
    onnxruntime: str = ""
    """Which of the two ONNX Runtimes is installed."""
    extras: list[str] = field(default_factory=list)
    """What is installed beside the robot's packages."""
    done: dict[str, str] = field(default_factory=dict)
    """Fingerprints of the stages that are done."""
    unfinished: str = ""
    """The stage that has begun and not ended."""

    def save(self, venv: Path) -> None:
        """Write it so that the file is there as a whole or not at all."""
        new = venv / f"{FILE_NAME}.new"
        new.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        new.replace(venv / FILE_NAME)


def load_state(venv: Path) -> State | None:
    """Read the state of an environment; None where there is no environment.

    Raises:
        SetupProblem: the folder is there, but the set-up did not make it.
    """
    try:
        return State(**json.loads((venv / FILE_NAME).read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        if not venv.exists() or (venv.is_dir() and not any(venv.iterdir())):
            return None
    except (ValueError, TypeError):
        # Written by another version of this set-up: ours to replace.
        return State(unfinished="environment")
    raise SetupProblem(
        f"{venv} exists, but this set-up did not make it, so it is left alone. "
        "Move it away, or take another folder: make VENV=.venv-spirl"
    )


def remove_environment(venv: Path) -> None:
    """Delete an environment. What a killed run left of one is deleted as well."""
    leftover = venv.with_name(f"{venv.name}.removed")
    shutil.rmtree(leftover, ignore_errors=True)
    if venv.exists():
        venv.rename(leftover)
        shutil.rmtree(leftover, ignore_errors=True)
