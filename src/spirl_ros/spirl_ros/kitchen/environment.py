"""Episodes in the kitchen."""

from dataclasses import dataclass

from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.tasks.mujoco_environment import MujocoEnvironment
from spirl_ros.tasks.mujoco_scene import MujocoScene
from spirl_ros.tasks.task import EpisodeConfig


@dataclass(frozen=True)
class KitchenConfig(EpisodeConfig):
    """What an episode in the kitchen is."""

    task: str = "kitchen"


class KitchenEnvironment(MujocoEnvironment):
    """Episodes of a task in the kitchen."""

    def __init__(self, config: EpisodeConfig = KitchenConfig(), scene: MujocoScene | None = None) -> None:
        """See MujocoEnvironment."""
        super().__init__(KITCHEN, config, scene)
