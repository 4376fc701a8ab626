"""Where a run comes from: which source, and which dataset."""

import subprocess
from pathlib import Path

from spirl_ros.errors import ConfigError


def check_same_dataset(run, data: Path) -> None:
    """Refuse a dataset that a run was not trained on."""
    from spirl_ros.demonstrations.storage import stored_digest

    found, expected = stored_digest(data), run.config.dataset.digest
    if found != expected:
        raise ConfigError(
            f"{data} has digest {found[:12]}…, but {run.folder} was trained on {expected[:12]}…. Name that one "
            "with --data."
        )


def current_commit() -> str:
    """Commit of the source that runs, with `+` when it was changed; empty outside a checkout."""
    folder = Path(__file__).resolve().parent
    try:
        commit = subprocess.run(
            ["git", "-C", folder, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(["git", "-C", folder, "diff", "--quiet", "HEAD", "--", "."]).returncode
    except (OSError, subprocess.CalledProcessError):
        return ""
    return commit + ("+" if changed else "")
