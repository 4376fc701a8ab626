"""What executing skills needs of a bundle, and whether one bundle may take another's place while the arm runs."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.observation_fields import Observation
from spirl_ros.control.skill_executor import Decoder
from spirl_ros.control.velocity_action import MEASURED, VelocityScale
from spirl_ros.errors import BundleError


class Prior(Protocol):
    """What draws latents."""

    def sample(self, observation: Observation, generator: np.random.Generator) -> np.ndarray:
        """A latent (Dz,) for an observation. Raises SkillError where a field lacks that it sees."""
        ...


@dataclass(frozen=True)
class RunnableSkills:
    """Decoder and prior, and the facts that they were trained with."""

    name: str
    decoder: Decoder
    prior: Prior
    skill_horizon: int
    """H."""
    latent_size: int
    """Dz."""
    observation_names: tuple[str, ...]
    """Of the state (Do), the joints first."""
    limits: JointLimits
    velocity_scale: VelocityScale
    """Joint velocity of an action of 1 [rad/s, m/s], at the speed it is carried out at."""
    control_period_s: float
    """Time between two commands [s]."""
    action_reference: str = MEASURED
    """What an action is relative to, one of velocity_action.REFERENCES."""
    commands_per_step: int = 1
    """Commands that one control step of a skill is divided into: more than one below the speed it was learned at."""
    digest: str = ""
    """SHA-256 that identifies the bundle; empty when not known."""

    @property
    def scene_names(self) -> tuple[str, ...]:
        """What is observed beside the joints."""
        return self.observation_names[len(self.limits.joint_names) :]

    def check_layout(self) -> None:
        """Raise BundleError when the observation does not begin with the joints."""
        joint_names = self.limits.joint_names
        if self.observation_names[: len(joint_names)] != joint_names:
            raise BundleError(
                f"bundle '{self.name}' observes {', '.join(self.observation_names)}, expected its joints first, "
                f"{', '.join(joint_names)}. Export again with that order."
            )

    def check_may_follow(self, running: "RunnableSkills") -> None:
        """Raise BundleError when this is for another arm than the model that is running, or for another period."""
        self.check_layout()
        for name in (
            "observation_names",
            "control_period_s",
            "velocity_scale",
            "action_reference",
            "commands_per_step",
        ):
            if getattr(running, name) != getattr(self, name):
                raise BundleError(
                    f"bundle '{self.name}' has {name} {getattr(self, name)}, but '{running.name}', which is running, "
                    f"has {getattr(running, name)}. Deactivate and configure the node with it instead."
                )
        for name in ("joint_names", "position_lower", "position_upper", "velocity", "acceleration", "jerk"):
            if not np.array_equal(getattr(running.limits, name), getattr(self.limits, name)):
                raise BundleError(
                    f"bundle '{self.name}' has another {name} of the joints than '{running.name}', which is running. "
                    "Deactivate and configure the node with it instead."
                )
