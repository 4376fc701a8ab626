"""Carries out one skill: holds a latent for H control steps and decodes one action at each of them."""

from typing import Protocol

import numpy as np

from spirl_ros.errors import ObservationError, SkillError


class Decoder(Protocol):
    """What decodes actions: a bundle's decoder, closed or open loop."""

    def decode(self, state: np.ndarray, latent: np.ndarray, step: int) -> np.ndarray:
        """Action (Da,) for a state (Do,), a latent (Dz,) and the skill's control step, 0 to H-1."""
        ...


class SkillExecutor:
    """Executes skills one after another. One object serves training, evaluation and the robot.

    It has no clock: the caller's control step is a call of `step`. Not thread-safe.
    """

    def __init__(
        self, decoder: Decoder, skill_horizon: int, latent_size: int, observation_size: int, action_size: int
    ) -> None:
        """Idle at first.

        Args:
            decoder: gives the actions.
            skill_horizon: control steps H of a skill, at least 1.
            latent_size: Dz.
            observation_size: Do.
            action_size: Da.
        """
        assert skill_horizon >= 1 and latent_size >= 1 and action_size >= 1
        self.decoder = decoder
        self.skill_horizon, self.latent_size = skill_horizon, latent_size
        self.observation_size, self.action_size = observation_size, action_size
        self._latent: np.ndarray | None = None
        self._steps_done = 0

    @property
    def latent(self) -> np.ndarray | None:
        """Latent (Dz,) of the skill under way or of the last one; None before the first and after `abort`."""
        return self._latent

    @property
    def steps_done(self) -> int:
        """Actions of that skill decoded so far, 0 to H."""
        return self._steps_done

    @property
    def steps_left(self) -> int:
        """Actions still to come; 0 when idle."""
        return 0 if self._latent is None else self.skill_horizon - self._steps_done

    @property
    def is_done(self) -> bool:
        """Whether no skill is under way, so that the next one may start."""
        return self.steps_left == 0

    def start(self, latent: np.ndarray) -> None:
        """Begin a skill; its first action comes with the next `step`.

        Args:
            latent: z (Dz,); a copy is held.

        Raises:
            SkillError: a wrong size, a value that is not finite, or a skill is under way. What is under way goes on.
        """
        latent = np.array(latent, dtype=np.float32)
        if latent.shape != (self.latent_size,):
            raise SkillError(f"latent has shape {latent.shape}, expected ({self.latent_size},) as in the bundle.")
        if not np.isfinite(latent).all():
            raise SkillError(f"latent is {latent}, expected finite numbers only.")
        if not self.is_done:
            raise SkillError(f"a skill is under way, {self.steps_left} steps are left. Wait for it, or abort it first.")
        latent.setflags(write=False)
        self._latent, self._steps_done = latent, 0

    def step(self, observation: np.ndarray) -> np.ndarray:
        """Decode the action (Da,) for the present observation (Do,).

        Raises:
            SkillError: no skill is under way, or the decoder gives something that is not Da finite numbers.
            ObservationError: a wrong size, or a value that is not finite.
            After an error the skill stands where it stood: call `step` again with another observation, or `abort`.
        """
        if self._latent is None or self.is_done:
            raise SkillError("no skill is under way. Start one first.")
        observation = np.asarray(observation)
        if observation.shape != (self.observation_size,):
            raise ObservationError(
                f"observation has shape {observation.shape}, expected ({self.observation_size},) as in the bundle."
            )
        if not np.isfinite(observation).all():
            bad = int(np.argmin(np.isfinite(observation)))
            raise ObservationError(f"observation is {observation[bad]} at {bad}, expected finite numbers only.")
        action = self.decoder.decode(observation, self._latent, self._steps_done)
        if action.shape != (self.action_size,) or not np.isfinite(action).all():
            raise SkillError(
                f"the decoder gives {action} at step {self._steps_done} of the skill, expected {self.action_size} "
                "finite numbers. Stop the arm and check the bundle with `spirl check`."
            )
        self._steps_done += 1
        return action

    def rehearse(self, observation: np.ndarray) -> None:
        """Decode the next action and forget it, so that `step` finds networks and code in the processor's caches."""
        if self._latent is not None and not self.is_done:
            self.decoder.decode(observation, self._latent, self._steps_done)

    def abort(self) -> None:
        """End the skill under way. Nothing happens when there is none."""
        self._latent, self._steps_done = None, 0
