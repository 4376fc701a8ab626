"""What the two hinged doors share: where a hand must go to swing one by its handle, and when it has lost it."""

import mujoco
import numpy as np

from spirl_ros.demonstrations.same_arithmetic import applied
from spirl_ros.kitchen.hand_orientation import rotation_matrix
from spirl_ros.kitchen.operator_view import KitchenView


def handle_after_swing(view: KitchenView, joint: str, handle_site: str, swing_rad: float) -> np.ndarray:
    """Where the handle (3,) [m] would be if the door swung on by an angle about its vertical hinge."""
    hinge = view.hinge(joint)
    return hinge + applied(rotation_matrix(np.array([0.0, 0.0, swing_rad])), view.site(handle_site) - hinge)


def has_slipped(view: KitchenView, grasp_point: np.ndarray, distance_m: float) -> bool:
    """Whether the tool is further than this from the point where it should hold, seen from above."""
    return mujoco.mju_norm((view.tool.position - grasp_point)[:2]) > distance_m
