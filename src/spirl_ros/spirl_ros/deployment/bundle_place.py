"""Where a bundle lies that somebody names: a folder, or a bundle that is shipped."""

from pathlib import Path

from spirl_ros.deployment.bundle_file import BUNDLE_FILE
from spirl_ros.errors import ConfigError
from spirl_ros.outside_text import shortened
from spirl_ros.shipped import shipped

_SKILLS_FOLDER = "skills"
"""Within the folder of spirl rl train, which cannot be asked for it: it needs torch."""


def find_bundle(given: str | Path, asked: str) -> Path:
    """The folder of a bundle, given as that, with ~ for the home, or by the name of a shipped one; a folder comes first.

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
    expected = f"which is not a bundle: expected a folder that `spirl export` wrote, or a shipped bundle: {', '.join(names) or 'none is here'}."
    raise ConfigError(f"{asked} is {shortened(str(given), limit=200)}, {expected} {_next_step(folder)}")


def shipped_bundles() -> list[str]:
    """Names of the bundles that are shipped."""
    try:
        return sorted(path.parent.name for path in shipped("models").glob(f"*/{BUNDLE_FILE}"))
    except ConfigError:
        return []


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
