"""How each of the kitchen's subtasks is done: one generator per subtask, one attempt per call.

A recipe may start anywhere and leaves the hand free of what it held. Its numbers were found in simulation.
The arm always stays in the elbow-back posture of the initial position, from which all subtasks are reachable.
"""

from collections.abc import Callable

from spirl_ros.kitchen.arm_motion import ArmMotion, Motion
from spirl_ros.kitchen.recipes.burners import turn_bottom_burner, turn_top_burner
from spirl_ros.kitchen.recipes.hinge_cabinet import open_hinge_cabinet
from spirl_ros.kitchen.recipes.kettle import move_kettle
from spirl_ros.kitchen.recipes.light_switch import switch_light
from spirl_ros.kitchen.recipes.microwave import open_microwave
from spirl_ros.kitchen.recipes.slide_cabinet import open_slide_cabinet

RECIPES: dict[str, Callable[[ArmMotion], Motion]] = {
    "bottom_burner": turn_bottom_burner,
    "top_burner": turn_top_burner,
    "light_switch": switch_light,
    "slide_cabinet": open_slide_cabinet,
    "hinge_cabinet": open_hinge_cabinet,
    "microwave": open_microwave,
    "kettle": move_kettle,
}
"""The recipe of every subtask, by the subtask's name."""
