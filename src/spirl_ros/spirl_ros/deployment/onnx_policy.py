"""Runs a bundle's graphs with numpy and ONNX Runtime alone: the skill decoders, the skill prior and the policy.

Every method takes one observation (Do,) and gives one result, or a batch (B, Do) and gives a batch. Values are checked by
the caller (SkillExecutor, ObservationAssembler), sizes here. Not thread-safe: take a `copy` for each thread.
"""

from typing import NamedTuple

import numpy as np

from spirl_ros.deployment.bundle_description import (
    CLOSED_LOOP,
    DECODER_FILE,
    POLICY_FILE,
    PRIOR_FILE,
    BundleDescription,
    LatentModelDescription,
)
from spirl_ros.deployment.onnx_graph import OnnxGraph, Shape
from spirl_ros.errors import BundleError, SkillError


class OnnxClosedLoopDecoder:
    """p(a | z, s) with one action per control step."""

    def __init__(self, graph: OnnxGraph, description: BundleDescription) -> None:
        """Run a graph that `load_decoder` has checked."""
        self.graph = graph
        self.skill_horizon = description.skill_horizon
        self._has_phase = "phase" in description.decoder.inputs
        self._description = description
        self._observation_shape, self._latent_shape = (description.observation_size,), (description.latent_size,)

    def decode(self, observation: np.ndarray, latent: np.ndarray, step: int | np.ndarray) -> np.ndarray:
        """Action (Da,) for an observation (Do,), a latent (Dz,) and the skill's control step, 0 to H-1.

        Or (B, Da) for (B, Do), (B, Dz), and one step for all or one for each (B,).
        """
        if observation.shape == self._observation_shape and latent.shape == self._latent_shape:
            if self._has_phase:
                return self.graph.run_single(observation, latent, step / self.skill_horizon)[0]  # type: ignore[arg-type]
            return self.graph.run_single(observation, latent)[0]
        batch = _batch_size("observation", observation, self._observation_shape)
        _check_shape("latent", latent, (batch, *self._latent_shape))
        if self._has_phase:
            phase = np.broadcast_to(np.asarray(step) / self.skill_horizon, (batch,))[:, None]
            return self.graph.run(observation, latent, phase)[0]
        return self.graph.run(observation, latent)[0]

    def copy(self) -> "OnnxClosedLoopDecoder":
        """The same decoder for another thread."""
        return OnnxClosedLoopDecoder(self.graph.copy(), self._description)


class OnnxOpenLoopDecoder:
    """p(a_0 … a_{H-1} | z): the whole skill at once; `decode` hands it out step by step."""

    def __init__(self, graph: OnnxGraph, description: BundleDescription) -> None:
        """Run a graph that `load_decoder` has checked."""
        self.graph = graph
        self.skill_horizon = description.skill_horizon
        self._description = description
        self._latent_shape = (description.latent_size,)
        self._latent = np.full(self._latent_shape, np.nan)
        self._actions = np.empty(0)

    def decode_skill(self, latent: np.ndarray) -> np.ndarray:
        """All actions (H, Da) of a latent (Dz,), or (B, H, Da) of (B, Dz)."""
        if latent.shape == self._latent_shape:
            return self.graph.run_single(latent)[0]
        _batch_size("latent", latent, self._latent_shape)
        return self.graph.run(latent)[0]

    def decode(self, observation: np.ndarray, latent: np.ndarray, step: int | np.ndarray) -> np.ndarray:
        """Action (Da,) or (B, Da), as a closed-loop decoder gives it; the observation plays no part.

        The skill is decoded when the latent differs from the last call's.
        """
        if not np.array_equal(latent, self._latent):
            self._actions = self.decode_skill(latent)
            self._latent = latent.copy()
        if latent.ndim == 1:
            return self._actions[step].copy()
        return self._actions[np.arange(len(latent)), step]

    def copy(self) -> "OnnxOpenLoopDecoder":
        """The same decoder for another thread."""
        return OnnxOpenLoopDecoder(self.graph.copy(), self._description)


OnnxSkillDecoder = OnnxClosedLoopDecoder | OnnxOpenLoopDecoder


class LatentDistribution(NamedTuple):
    """What a prior or a policy says at an observation, each (Dz,) or (B, Dz)."""

    mean: np.ndarray
    """Of the Gaussian, before the latent limit."""
    log_std: np.ndarray
    """Of the Gaussian."""
    latent: np.ndarray
    """What to execute for the mean."""


class OnnxLatentModel:
    """Chooses latents: the skill prior p(z | s) or the high-level policy pi(z | s)."""

    def __init__(self, graph: OnnxGraph, description: BundleDescription, model: LatentModelDescription) -> None:
        """Run a graph that `load_prior` or `load_policy` has checked."""
        self.graph = graph
        self.latent_limit = model.latent_limit
        self._has_progress = "progress" in model.inputs
        self._progress_values = len(description.target_subtasks) + 1
        self._description, self._model = description, model
        self._observation_shape = (description.observation_size,)

    def distribution(self, observation: np.ndarray, completed: int | np.ndarray = 0) -> LatentDistribution:
        """The Gaussian at an observation (Do,) or (B, Do).

        Args:
            observation: raw, as measured.
            completed: target subtasks completed in order, 0 to K, one for all or (B,); for models that need it.

        Raises:
            SkillError: a wrong size, or `completed` is out of range.
        """
        is_single = observation.shape == self._observation_shape
        batch = 1 if is_single else _batch_size("observation", observation, self._observation_shape)
        values = [observation.reshape(batch, -1)]
        if self._has_progress:
            values.append(self._one_hot(completed, batch))
        outputs = self.graph.run(*values)
        return LatentDistribution(*(output[0] if is_single else output for output in outputs))

    def sample(
        self, observation: np.ndarray, generator: np.random.Generator, completed: int | np.ndarray = 0
    ) -> np.ndarray:
        """A latent (Dz,) or (B, Dz) drawn at an observation, within the latent limit, ready to execute."""
        mean, log_std, _ = self.distribution(observation, completed)
        return limit_latent(mean + np.exp(log_std) * generator.standard_normal(mean.shape), self.latent_limit)

    def copy(self) -> "OnnxLatentModel":
        """The same model for another thread."""
        return OnnxLatentModel(self.graph.copy(), self._description, self._model)

    def _one_hot(self, completed: int | np.ndarray, batch: int) -> np.ndarray:
        counts = np.broadcast_to(np.asarray(completed), (batch,))
        if counts.min() < 0 or counts.max() >= self._progress_values:
            raise SkillError(f"completed is {completed}, expected 0 to {self._progress_values - 1} target subtasks.")
        return np.eye(self._progress_values, dtype=np.float32)[counts]


def limit_latent(latent: np.ndarray, limit: float | None) -> np.ndarray:
    """Bound a latent smoothly, limit * tanh(latent / limit), slope 1 at 0; unchanged without a limit."""
    return latent if limit is None else limit * np.tanh(latent / limit)


def load_decoder(model: bytes, description: BundleDescription, provider: str = "auto") -> OnnxSkillDecoder:
    """The decoder in the bytes of skill_decoder.onnx. Raises BundleError when it is not what the description says."""
    horizon, actions = description.skill_horizon, description.action_size
    is_closed_loop = description.decoder.kind == CLOSED_LOOP
    outputs: dict[str, Shape] = {"action": (actions,)} if is_closed_loop else {"actions": (horizon, actions)}
    graph = _load(DECODER_FILE, model, description, description.decoder.inputs, outputs, provider)
    return (OnnxClosedLoopDecoder if is_closed_loop else OnnxOpenLoopDecoder)(graph, description)


def load_prior(model: bytes, description: BundleDescription, provider: str = "auto") -> OnnxLatentModel:
    """The skill prior in the bytes of skill_prior.onnx; errors as for `load_decoder`."""
    return _load_latent_model(PRIOR_FILE, model, description, description.prior, provider)


def load_policy(model: bytes, description: BundleDescription, provider: str = "auto") -> OnnxLatentModel:
    """The high-level policy in the bytes of policy.onnx; errors as for `load_decoder`."""
    assert description.policy is not None
    return _load_latent_model(POLICY_FILE, model, description, description.policy, provider)


def _load_latent_model(
    file: str, model: bytes, description: BundleDescription, part: LatentModelDescription, provider: str
) -> OnnxLatentModel:
    outputs: dict[str, Shape] = {name: (description.latent_size,) for name in LatentDistribution._fields}
    return OnnxLatentModel(_load(file, model, description, part.inputs, outputs, provider), description, part)


def _load(
    file: str,
    model: bytes,
    description: BundleDescription,
    inputs: tuple[str, ...],
    outputs: dict[str, Shape],
    provider: str,
) -> OnnxGraph:
    sizes = {
        "observation": description.observation_size,
        "latent": description.latent_size,
        "phase": 1,
        "progress": len(description.target_subtasks) + 1,
    }
    try:
        return OnnxGraph(model, {name: (sizes[name],) for name in inputs}, outputs, description.opset, provider)
    except BundleError as error:
        raise BundleError(f"{file}: {error}") from error


def _batch_size(name: str, values: np.ndarray, shape: Shape) -> int:
    batch = len(values) if values.ndim else 0
    _check_shape(name, values, (max(batch, 1), *shape))
    return batch


def _check_shape(name: str, values: np.ndarray, shape: Shape) -> None:
    if values.shape != shape:
        raise SkillError(f"{name} has shape {values.shape}, expected {shape[1:]} or {('B', *shape[1:])}.")
