"""Task families by name: ours, and those of installed packages."""

import difflib
import functools
import sys
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import NamedTuple

from spirl_ros.errors import ConfigError
from spirl_ros.tasks.task import TaskFamily, TaskSpec

ENTRY_POINTS = "spirl_ros.tasks"
"""Group of the entry points `name = module:ATTRIBUTE` with which a package brings a family."""
DEFAULT_FAMILY = "kitchen"
_OURS = {"kitchen": "spirl_ros.kitchen.family:KITCHEN", "maze": "spirl_ros.maze.family:MAZE"}
"""Imported only when asked for."""


class FamilyMaker(NamedTuple):
    """Families of other people's scenes, one for each scene: `MAKER:SCENE` is the whole name of such a family."""

    where: str
    """`module:CLASS`, called with the scene's name. Imported only when asked for."""
    about: str
    """For people who ask what there is."""


MAKERS = {
    "gymnasium": FamilyMaker(
        "spirl_ros.tasks.gymnasium_family:GymnasiumFamily",
        "any environment of Gymnasium with continuous actions that says when it has succeeded, as in "
        "gymnasium:PointMaze_UMaze-v3",
    )
}


def family_names() -> tuple[str, ...]:
    """Every family that is installed, ours first; see MAKERS for those that are made."""
    return (*_OURS, *sorted(name for name in _others() if name not in {*_OURS, *MAKERS}))


def is_family(name: str) -> bool:
    """Whether a family that is installed has this name, or one that can be made."""
    return name in family_names() or name.partition(":")[0] in MAKERS


def named_family(text: str) -> str:
    """What names the family in a task's text: all of it where the family is made, else what stands before a colon."""
    name = text.partition(":")[0]
    return text if name in MAKERS else name


@functools.cache
def find_family(name: str) -> TaskFamily:
    """The family of a name.

    Raises:
        ConfigError: there is none, or it cannot be imported.
    """
    maker, _, scene = name.partition(":")
    if maker in MAKERS and not scene:
        raise ConfigError(f"task family is '{name}', expected {MAKERS[maker].about}.")
    where = MAKERS[maker].where if maker in MAKERS else _OURS.get(name)
    if where is not None:
        module, _, attribute = where.partition(":")
        try:
            found = getattr(import_module(module), attribute)
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"task family {name} needs the package {error.name}, which is not installed. Install the simulation "
                "extra: pip install 'spirl_ros[sim]'."
            ) from error
        return found(scene) if scene else found
    found = _others().get(name)
    if found is None:
        known = (*family_names(), *MAKERS)
        close = difflib.get_close_matches(name, known, n=1)
        guess = f" Did you mean '{close[0]}'?" if close else ""
        raise ConfigError(
            f"task family is '{name}', expected one of {', '.join(known)}.{guess} A package brings another by "
            f"an entry point in the group {ENTRY_POINTS}."
        )
    try:
        return found.load()
    except Exception as error:
        raise ConfigError(
            f"task family {name} ({found.value}) cannot be loaded: {error}. Reinstall its package."
        ) from error


def split_task(text: str, default: str = DEFAULT_FAMILY) -> tuple[TaskFamily, TaskSpec]:
    """The family and the task within it of a text such as `kitchen`, `mylab:left,right` or `kettle,light_switch`.

    Args:
        text: without `FAMILY:` it is that family's first task where it names one, else a task of the default family.
        default: name of the default family.

    Raises:
        ConfigError: no such family, or no such task in it.
    """
    name = named_family(text)
    task = text[len(name) + 1 :]
    if ":" not in text:
        name, task = (text, "") if is_family(text) else (default, text)
    if not (task or name == text):
        raise ConfigError(f"task is '{text}', expected a family, one of its tasks, or its subtasks: spirl tasks.")
    family = find_family(name)
    return family, family.task(task)


def family_of(text: str) -> TaskFamily:
    """The family that a task's text in a file names; the default one where it names none that is installed."""
    name = named_family(text)
    return find_family(name if is_family(name) else DEFAULT_FAMILY)


def full_task(text: str, default: str = DEFAULT_FAMILY) -> str:
    """The text that means the same task whatever the default family: `FAMILY:TASK`, but for our own default."""
    family, task = split_task(text, default)
    if family.name.partition(":")[0] in MAKERS:
        return family.name  # it was made, and has no other task
    return task.text if family.name == DEFAULT_FAMILY else f"{family.name}:{task.text}"


def known_targets(text: str) -> tuple[str, ...]:
    """Target subtasks of a task in order; none for one that no installed family has, such as a real arm's."""
    try:
        return split_task(text)[1].goals
    except ConfigError:
        return ()


def _others() -> dict[str, EntryPoint]:
    return _found_on(tuple(sys.path))


@functools.cache
def _found_on(path: tuple[str, ...]) -> dict[str, EntryPoint]:
    """What is installed in these folders, for which every file there would be read at each call."""
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}
