"""The peer that our kitchen is compared with: gymnasium-robotics' FrankaKitchen-v1, made as its documentation says."""

import warnings
from importlib.metadata import version

from spirl_ros.errors import SpirlError

FRANKA_KITCHEN = "FrankaKitchen-v1"


def make_franka_kitchen(**options):
    """Its environment.

    Args:
        options: of `gymnasium.make`.

    Raises:
        SpirlError: it does not run with the mujoco that is installed.
    """
    import gymnasium
    import gymnasium_robotics

    warnings.filterwarnings("ignore", module="gymnasium")
    gymnasium.register_envs(gymnasium_robotics)
    try:
        return gymnasium.make(FRANKA_KITCHEN, **options)
    except AssertionError as error:
        raise SpirlError(
            f"{FRANKA_KITCHEN} does not run with mujoco {version('mujoco')} (it does up to 3.9). "
            "Use the default environment: make setup."
        ) from error
