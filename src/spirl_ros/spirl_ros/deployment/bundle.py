"""A bundle, ready to run: nothing of it is used before everything of it was verified."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spirl_ros.control.observation_fields import STATE, VECTOR
from spirl_ros.control.skill_executor import SkillExecutor
from spirl_ros.deployment.bundle_description import DECODER_FILE, POLICY_FILE, PRIOR_FILE, BundleDescription
from spirl_ros.deployment.bundle_file import BUNDLE_FILE, description_digest, read_description
from spirl_ros.deployment.bundle_trial import try_first
from spirl_ros.deployment.onnx_policy import (
    LatentDistribution,
    OnnxLatentModel,
    OnnxSkillDecoder,
    limit_latent,
    load_decoder,
    load_policy,
    load_prior,
)
from spirl_ros.errors import BundleError, ConfigError
from spirl_ros.files.plain_yaml import printable, read_regular_file, shortened

LARGEST_DIFFERENCE = 1e-4
"""Between what the graphs gave at export and give on this machine; another processor rounds differently."""

LARGEST_GRAPH_BYTES = 64_000_000
"""A hundred times what ours have."""


@dataclass(frozen=True)
class Bundle:
    """A description and its graphs. The graphs are for one thread; see their `copy`."""

    folder: Path
    description: BundleDescription
    digest: str
    """SHA-256 of the description, which holds those of the files: the bundle's identity."""
    decoder: OnnxSkillDecoder
    prior: OnnxLatentModel
    policy: OnnxLatentModel | None
    """None when the bundle holds skills alone."""

    @property
    def provider(self) -> str:
        """Where the decoder runs: `cpu` or `cuda`."""
        return self.decoder.graph.provider

    def executor(self) -> SkillExecutor:
        """An idle executor of these skills with a decoder of its own, for another thread."""
        about = self.description
        return SkillExecutor(
            self.decoder.copy(), about.skill_horizon, about.latent_size, about.state.shape[0], about.action_size
        )


def load_bundle(folder: Path | str, provider: str = "auto", *, tries_first: bool = True) -> Bundle:
    """Read and verify a bundle: description, hashes, interfaces, operator set, and what the graphs compute.

    Safe beside a running bundle: nothing is shared. The bytes that were verified are the bytes that run.

    Args:
        folder: the folder that holds bundle.yaml.
        provider: `auto`, `cpu` or `cuda`, see `open_session`.
        tries_first: a bundle that this machine has not run before is examined and run in a process with limits first.
            False in that process, and where the bundle was exported.

    Raises:
        BundleError: anything is not as it was exported; the message names the file and the next step.
        ConfigError: the provider does not work here.
    """
    folder = Path(folder).expanduser()
    description = read_description(folder)
    contents = {name: _read_verified(folder / name, expected) for name, expected in description.files.items()}
    digest = description_digest(description)
    try:
        if tries_first:
            try_first(folder, digest)
        else:
            _check_operators(contents, description.opset)
        bundle = Bundle(
            folder=folder,
            description=description,
            digest=digest,
            decoder=load_decoder(contents[DECODER_FILE], description, provider),
            prior=load_prior(contents[PRIOR_FILE], description, provider),
            policy=load_policy(contents[POLICY_FILE], description, provider) if description.policy else None,
        )
        _try_out(bundle)
    except BundleError as error:
        raise BundleError(f"{printable(str(folder))}: {error}") from error
    return bundle


def _read_verified(path: Path, expected: str) -> bytes:
    try:
        content = read_regular_file(path, LARGEST_GRAPH_BYTES)
    except ConfigError as error:
        raise BundleError(
            f"{str(error).rstrip('.')}, but {BUNDLE_FILE} lists it. Copy the whole folder again."
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise BundleError(
            f"{printable(str(path))} has SHA-256 {found}, but {BUNDLE_FILE} says {shortened(expected)}: it was "
            "changed or damaged. Copy the bundle again, or export it again."
        )
    return content


def _check_operators(contents: Mapping[str, bytes], opset: int) -> None:
    try:  # no program that runs a known bundle needs onnx
        from spirl_ros.deployment.onnx_operators import check_operators
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"a bundle that is new here is read with the Python package onnx: {error}. `pip install onnx` brings it."
        ) from error
    for file, content in contents.items():
        try:
            check_operators(content, opset)
        except BundleError as error:
            raise BundleError(f"{file}: {error}") from error


def _try_out(bundle: Bundle) -> None:
    """Run every graph on the probe and on zeros, alone and in a batch, and compare with what the export recorded."""
    description, probe = bundle.description, bundle.description.probe
    real = {
        field.name: np.array(probe.observation[field.name], np.float32)
        if field.dtype == VECTOR
        else np.zeros(field.shape, field.dtype)
        for field in description.observation
    }
    both = {name: np.stack((values, np.zeros_like(values))) for name, values in real.items()}
    latents = np.array((probe.latent, np.zeros(description.latent_size)), np.float32)
    action = bundle.decoder.decode(real[STATE], latents[0], 0)
    for step in (0, description.skill_horizon - 1):
        actions = bundle.decoder.decode(both[STATE], latents, step)
        _check_finite(DECODER_FILE, "an action", actions)
        if step == 0:
            _check_same(DECODER_FILE, "an action", action, actions[0])
    _check_same(DECODER_FILE, "an action", action, np.array(probe.action))
    for file, model, expected in (
        (PRIOR_FILE, bundle.prior, probe.latent),
        (POLICY_FILE, bundle.policy, probe.policy_latent),
    ):
        if model is None:
            continue
        outputs = model.distribution(both)
        for name, values in zip(LatentDistribution._fields, outputs, strict=True):
            _check_finite(file, f"a {name}", values)
        _check_same(file, "a latent", model.distribution(real).latent, np.array(expected))
        if model.latent_limit is not None:
            _check_same(file, "a latent", outputs.latent, limit_latent(outputs.mean, model.latent_limit))


def _check_finite(file: str, name: str, values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        raise BundleError(f"{file} gives {name} that is not finite. The training went wrong: export an earlier state.")


def _check_same(file: str, name: str, found: np.ndarray, expected: np.ndarray) -> None:
    difference = np.abs(found - expected).max()
    if not difference <= LARGEST_DIFFERENCE:
        raise BundleError(
            f"{file} gives {name} that is {difference:.2g} from what was recorded at export, expected at most "
            f"{LARGEST_DIFFERENCE:g}. Export again, and try provider 'cpu'."
        )
