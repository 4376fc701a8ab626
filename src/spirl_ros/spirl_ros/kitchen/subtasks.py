"""The kitchen's seven subtasks and when each is done."""

import difflib
from collections.abc import Iterable, Sequence

import numpy as np

from spirl_ros.errors import ConfigError

DONE_DISTANCE = 0.3
"""A subtask is done when its coordinates are closer than this to their goal (D4RL; radians, metres and quaternions
mixed)."""

_GOALS: dict[str, dict[str, float]] = {
    "bottom_burner": {"knob_Joint_2": -0.88, "bottom_left_burner": -0.01},
    "top_burner": {"knob_Joint_4": -0.92, "top_left_burner": -0.01},
    "light_switch": {"light_switch": -0.69, "light_joint": -0.05},
    "slide_cabinet": {"slide_cabinet": 0.37},
    "hinge_cabinet": {"left_hinge_cabinet": 0.0, "right_hinge_cabinet": 1.45},
    "microwave": {"microwave": -0.75},
    "kettle": {
        "kettle_x": -0.23,
        "kettle_y": 0.75,
        "kettle_z": 1.62,
        "kettle_qw": 0.99,
        "kettle_qx": 0.0,
        "kettle_qy": 0.0,
        "kettle_qz": -0.06,
    },
}

SUBTASKS = tuple(_GOALS)
"""All seven, in D4RL's order."""

TASKS: dict[str, tuple[str, ...]] = {
    "kitchen": ("microwave", "kettle", "bottom_burner", "light_switch"),
    "kitchen_all": SUBTASKS,
}
"""Tasks with a name. `kitchen` is the paper's target (Pertsch et al. 2020, section 4.1)."""


class SubtaskDetector:
    """Tells which subtasks are done from the scene's positions."""

    def __init__(self, scene_names: tuple[str, ...]) -> None:
        """Look up each subtask's coordinates by name.

        Args:
            scene_names: names of the positions that `done` will be given, in order.
        """
        coordinates = [(scene_names.index(name), value) for goal in _GOALS.values() for name, value in goal.items()]
        self._indices = np.array([index for index, _ in coordinates])
        self._goals = np.array([value for _, value in coordinates])
        self._first_of_subtask = np.cumsum([0, *map(len, _GOALS.values())])[:-1]

    def done(self, scene_positions: np.ndarray) -> set[str]:
        """Names of the subtasks whose goal the scene is in now.

        Positions (21,), without noise where there is a choice.
        """
        errors = scene_positions[self._indices] - self._goals
        is_done = np.add.reduceat(errors * errors, self._first_of_subtask) < DONE_DISTANCE**2
        return {SUBTASKS[index] for index in np.flatnonzero(is_done)}


def goal_positions(subtasks: Iterable[str], scene_names: Sequence[str]) -> np.ndarray:
    """Goal of some subtasks, in the order of the scene's positions; 0 for coordinates of no subtask (D4RL)."""
    goals = {name: value for subtask in subtasks for name, value in _GOALS[subtask].items()}
    return np.array([goals.get(name, 0.0) for name in scene_names])


def target_subtasks(task: str) -> tuple[str, ...]:
    """The target subtasks of a task in order, from its name or from a list such as 'kettle,light_switch'.

    D4RL's spelling with spaces is understood too.

    Raises:
        ConfigError: an unknown or repeated name, or an empty list.
    """
    if task in TASKS:
        return TASKS[task]
    names = [name.strip().replace(" ", "_") for name in task.split(",")]
    for name in names:
        if name not in SUBTASKS:
            close = difflib.get_close_matches(name, [*TASKS, *SUBTASKS], n=1)
            guess = f" Did you mean '{close[0]}'?" if close else ""
            raise ConfigError(
                f"task is '{task}', but '{name}' is neither a task nor a subtask.{guess} "
                f"Tasks: {', '.join(TASKS)}. Subtasks, to be listed in order with commas: {', '.join(SUBTASKS)}."
            )
    if len(set(names)) < len(names):
        raise ConfigError(f"task is '{task}', which names a subtask twice. Name each target subtask once.")
    return tuple(names)
