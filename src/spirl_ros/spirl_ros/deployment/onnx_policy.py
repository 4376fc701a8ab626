"""Runs a bundle's graphs with numpy and ONNX Runtime alone: the skill decoders, the skill prior and the policy.

Every method takes one observation and gives one result, or a batch (B, ...) and gives a batch. Values are checked
by the caller (SkillExecutor, SkillChooser), sizes here. Not thread-safe: take a `copy` for each thread.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from spirl_ros.control.observation_fields import STATE, Observation
from spirl_ros.deployment.bundle_description import (
    CLOSED_LOOP,
    DECODER_FILE,
    FORMAT_VERSION,
    POLICY_FILE,
    PRIOR_FILE,
    PROGRESS,
    BundleDescription,
    LatentModelDescription,
    graph_input,
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
        self._state_shape, self._latent_shape = description.state.shape, (description.latent_size,)

    def decode(self, state: np.ndarray, latent: np.ndarray, step: int | np.ndarray) -> np.ndarray:
        """Action (Da,) for a state (Do,), a latent (Dz,) and the skill's control step, 0 to H-1.

        Or (B, Da) for (B, Do), (B, Dz), and one step for all or one for each (B,).
        """
        if state.shape == self._state_shape and latent.shape == self._latent_shape:
            if self._has_phase:
                return self.graph.run_single(state, latent, step / self.skill_horizon)[0]  # type: ignore[arg-type]
            return self.graph.run_single(state, latent)[0]
        batch = _batch_size(STATE, state, self._state_shape)
        _check_shape("latent", latent, (batch, *self._latent_shape))
        if self._has_phase:
            phase = np.broadcast_to(np.asarray(step) / self.skill_horizon, (batch,))[:, None]
            return self.graph.run(state, latent, phase)[0]
        return self.graph.run(state, latent)[0]

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

    def decode(self, state: np.ndarray, latent: np.ndarray, step: int | np.ndarray) -> np.ndarray:
        """Action (Da,) or (B, Da), as a closed-loop decoder gives it; the state plays no part.

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
        self._has_progress = PROGRESS in model.inputs
        self._seen = [field for field in description.observation if field.name in model.inputs]
        self._seen.sort(key=lambda field: model.inputs.index(field.name))
        self._progress_values = len(description.target_subtasks) + 1
        self._description, self._model = description, model

    @property
    def seen(self) -> tuple[str, ...]:
        """The fields that it sees."""
        return tuple(field.name for field in self._seen)

    def distribution(self, observation: Observation, completed: int | np.ndarray = 0) -> LatentDistribution:
        """The Gaussian at an observation, or at a batch of them.

        Args:
            observation: raw, as measured; fields that the model does not see may be there or not.
            completed: target subtasks completed in order, 0 to K, one for all or (B,); for models that need it.

        Raises:
            SkillError: a field lacks, a wrong size, or `completed` is out of range.
        """
        if lacking := [field.name for field in self._seen if field.name not in observation]:
            raise SkillError(f"the model sees {', '.join(self.seen)}, but {lacking[0]} is not observed here.")
        first = observation[self._seen[0].name]
        is_single = first.shape == self._seen[0].shape
        batch = 1 if is_single else _batch_size(self._seen[0].name, first, self._seen[0].shape)
        values = []
        for field in self._seen:
            value = observation[field.name]
            _check_shape(field.name, value, field.shape if is_single else (batch, *field.shape))
            values.append(value[None] if is_single else value)
        if self._has_progress:
            values.append(self._one_hot(completed, batch))
        outputs = self.graph.run(*values)
        return LatentDistribution(*(output[0] if is_single else output for output in outputs))

    def sample(
        self, observation: Observation, generator: np.random.Generator, completed: int | np.ndarray = 0
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


def load_policy(
    model: bytes,
    description: BundleDescription,
    provider: str = "auto",
    policy: LatentModelDescription | None = None,
) -> OnnxLatentModel:
    """The high-level policy in the bytes of policy.onnx; errors as for `load_decoder`.

    `policy` describes one that is still learning; otherwise the bundle does.
    """
    if policy is not None:
        description = replace(description, format_version=FORMAT_VERSION)
    policy = description.policy if policy is None else policy
    assert policy is not None
    return _load_latent_model(POLICY_FILE, model, description, policy, provider)


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
    shapes: dict[str, Shape] = {
        **{field.name: field.shape for field in description.observation},
        "latent": (description.latent_size,),
        "phase": (1,),
        PROGRESS: (len(description.target_subtasks) + 1,),
    }
    dtypes = {field.name: field.dtype for field in description.observation}
    try:
        names = [graph_input(name, description.format_version) for name in inputs]
        return OnnxGraph(
            model,
            {inner: shapes[name] for inner, name in zip(names, inputs, strict=True)},
            outputs,
            provider,
            {inner: dtypes[name] for inner, name in zip(names, inputs, strict=True) if name in dtypes},
        )
    except BundleError as error:
        raise BundleError(f"{file}: {error}") from error


def _batch_size(name: str, values: np.ndarray, shape: Shape) -> int:
    if values.shape[1:] != shape or not len(values):
        raise SkillError(f"{name} has shape {values.shape}, expected {shape} or {('B', *shape)}.")
    return len(values)


def _check_shape(name: str, values: np.ndarray, shape: Shape) -> None:
    if values.shape != shape:
        raise SkillError(f"{name} has shape {values.shape}, expected {shape}.")
