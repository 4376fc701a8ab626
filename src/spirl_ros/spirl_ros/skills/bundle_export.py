"""Writes a bundle from trained torch modules, and compares what it wrote with them before anyone can use it."""

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from spirl_ros.control.observation_fields import PICTURE, STATE, VECTOR, Field, Observation
from spirl_ros.deployment.bundle import Bundle, load_bundle
from spirl_ros.deployment.bundle_description import (
    CLOSED_LOOP,
    DECODER_FILE,
    OPTIONAL_INPUTS,
    POLICY_FILE,
    PRIOR_FILE,
    PROGRESS,
    ActionMeaning,
    BundleDescription,
    DecoderDescription,
    Joint,
    LatentModelDescription,
    Origin,
    Probe,
)
from spirl_ros.deployment.bundle_file import BUNDLE_FILE, description_digest, format_description
from spirl_ros.deployment.bundle_trial import remember
from spirl_ros.deployment.onnx_graph import open_session
from spirl_ros.deployment.onnx_policy import LatentDistribution
from spirl_ros.errors import BundleError
from spirl_ros.skills.export_modules import sample_latents
from spirl_ros.skills.onnx_conversion import OPSET, export_module

LARGEST_DIFFERENCE = 1e-5
"""Between torch and ONNX Runtime, in any output on any of the given observations."""
FEWEST_OBSERVATIONS = 2


@dataclass(frozen=True)
class BundleContents:
    """What goes into a bundle."""

    name: str
    task: str
    target_subtasks: tuple[str, ...]
    skill_horizon: int
    latent_size: int
    control_rate_hz: float
    observation: tuple[Field, ...]
    action: ActionMeaning
    joints: tuple[Joint, ...]
    decoder_description: DecoderDescription
    decoder: nn.Module
    """Forward takes the inputs of its description, in order, and gives actions (B, Da), open loop (B, H, Da)."""
    prior: nn.Module
    """Forward takes the fields of its description, in order, and gives mean, log_std and latent (B, Dz)."""
    origin: Origin
    evaluation: Mapping[str, object]
    prior_description: LatentModelDescription = LatentModelDescription((STATE,))
    policy: nn.Module | None = None
    """Forward takes the inputs of its description, in order; outputs as the prior's."""
    policy_description: LatentModelDescription | None = None


def export_bundle(folder: Path, contents: BundleContents, observations: Observation, *, force: bool = False) -> Bundle:
    """Export, compare, write and load a bundle. It appears complete under its name or not at all.

    Args:
        folder: what the bundle becomes.
        contents: modules, on the CPU and in evaluation mode afterwards, and what is known about them.
        observations: real ones, at least 2 of each field, to compare torch and ONNX Runtime on.
        force: replace a bundle that is there; other files in its folder stay.

    Returns:
        The bundle as loaded from the written files.

    Raises:
        BundleError: something is there already, the graphs differ from the modules, or the disk refuses.
    """
    if folder.exists() and not (force and (folder / BUNDLE_FILE).is_file()):
        raise BundleError(
            f"{folder} exists already"
            + (f" and holds no {BUNDLE_FILE}. Choose another folder." if force else ". Choose another, or use --force.")
        )
    inputs = _example_inputs(contents, observations)
    models, probe = _export_models(contents, inputs)
    description = _description(contents, models, probe)
    temporary = folder.with_name(f".{folder.name}.writing")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        if folder.exists():
            _keep_other_files(folder, temporary)
        for name, content in models.items():
            _write(temporary / name, content)
        _write(temporary / BUNDLE_FILE, format_description(description).encode())
        load_bundle(temporary, provider="cpu", tries_first=False)
        remember(description_digest(description))
        _replace(folder, temporary)
    except OSError as error:
        raise BundleError(f"{folder} cannot be written: {error}. What was there before is unchanged.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return load_bundle(folder, provider="cpu")


def _example_inputs(contents: BundleContents, observations: Observation) -> dict[str, Tensor]:
    """Every input by name, each (N, ...): real observations, latents drawn from the prior, all phases and progress.

    The first observation has no picture, see Probe.
    """
    observed: dict[str, Tensor] = {}
    count = len(next(iter(observations.values())))
    for field in contents.observation:
        values = np.array(observations[field.name], field.dtype)
        if values.shape != (count, *field.shape) or count < FEWEST_OBSERVATIONS:
            raise BundleError(
                f"observations of {field.name} have shape {values.shape}, expected at least {FEWEST_OBSERVATIONS} of "
                f"{field.shape}."
            )
        if not np.isfinite(values).all():
            raise BundleError(f"{field.name} is not finite. Export with measurements of the dataset.")
        if field.dtype == PICTURE:
            values[0] = 0
        observed[field.name] = torch.from_numpy(values)
    seen = [observed[name] for name in contents.prior_description.inputs]
    horizon, subtasks = contents.skill_horizon, len(contents.target_subtasks)
    for module in (contents.decoder, contents.prior, contents.policy):
        if module is not None:
            module.cpu().eval()
    latent = sample_latents(contents.prior, *seen)
    # The first row is the probe: the prior's own latent at the first control step, with nothing completed.
    with torch.no_grad():
        latent[0] = contents.prior(*(values[:1] for values in seen))[2][0]
    return {
        **observed,
        "latent": latent,
        "phase": (torch.arange(count) % horizon).unsqueeze(1) / horizon,
        PROGRESS: torch.eye(subtasks + 1)[torch.arange(count) % (subtasks + 1)],
    }


def _export_models(contents: BundleContents, inputs: Mapping[str, Tensor]) -> tuple[dict[str, bytes], Probe]:
    """ONNX files by name, each compared with its module, and what the modules give for the first row."""
    is_closed_loop = contents.decoder_description.kind == CLOSED_LOOP
    decoder_output = "action" if is_closed_loop else "actions"
    parts: list[tuple[str, nn.Module, tuple[str, ...], tuple[str, ...]]] = []
    parts.append((DECODER_FILE, contents.decoder, contents.decoder_description.inputs, (decoder_output,)))
    parts.append((PRIOR_FILE, contents.prior, contents.prior_description.inputs, LatentDistribution._fields))
    if contents.policy is not None:
        assert contents.policy_description is not None, "a policy needs a description"
        parts.append((POLICY_FILE, contents.policy, contents.policy_description.inputs, LatentDistribution._fields))
    models, first = {}, {}
    for file, module, names, outputs in parts:
        given = {name: inputs[name] for name in names}
        models[file] = export_module(
            module, given, outputs, {name: OPTIONAL_INPUTS[name] for name in names if name in OPTIONAL_INPUTS}
        )
        expected = _run_module(module, given)
        _compare(file, models[file], given, outputs, expected)
        first[file] = expected[-1][0]
    action = first[DECODER_FILE] if is_closed_loop else first[DECODER_FILE][0]
    policy_latent = _floats(first[POLICY_FILE]) if contents.policy is not None else None
    probed = {field.name: _floats(inputs[field.name][0]) for field in contents.observation if field.dtype == VECTOR}
    return models, Probe(probed, _floats(first[PRIOR_FILE]), _floats(action), policy_latent)


def _run_module(module: nn.Module, inputs: Mapping[str, Tensor]) -> list[np.ndarray]:
    with torch.no_grad():
        outputs = module(*inputs.values())
    return [output.numpy() for output in (outputs if isinstance(outputs, tuple) else (outputs,))]


def _compare(
    file: str, model: bytes, inputs: Mapping[str, Tensor], outputs: Sequence[str], expected: list[np.ndarray]
) -> None:
    """Compare with ONNX Runtime on all rows at once and on the first alone."""
    if len(outputs) != len(expected):
        raise BundleError(f"{file}: the module gives {len(expected)} outputs, expected {', '.join(outputs)}.")
    session = open_session(model, "cpu")
    for rows in (slice(None), slice(1)):
        found = session.run(list(outputs), {name: value[rows].numpy() for name, value in inputs.items()})
        for name, ours, theirs in zip(outputs, found, expected, strict=True):
            difference = np.abs(np.asarray(ours) - theirs[rows]).max()
            if not difference <= LARGEST_DIFFERENCE:
                raise BundleError(
                    f"{file}: {name} is {difference:.2g} from torch's, expected at most "
                    f"{LARGEST_DIFFERENCE:g}. Nothing was written. Train without what is not exact in float32, or "
                    "look for a value that is not finite."
                )


def _description(contents: BundleContents, models: Mapping[str, bytes], probe: Probe) -> BundleDescription:
    versions = {package: version(package) for package in ("torch", "onnx", "numpy")}
    return BundleDescription(
        name=contents.name,
        task=contents.task,
        target_subtasks=contents.target_subtasks,
        skill_horizon=contents.skill_horizon,
        latent_size=contents.latent_size,
        control_rate_hz=contents.control_rate_hz,
        opset=OPSET,
        observation=contents.observation,
        action=contents.action,
        joints=contents.joints,
        decoder=contents.decoder_description,
        prior=contents.prior_description,
        policy=contents.policy_description if contents.policy is not None else None,
        origin=replace(contents.origin, versions={**contents.origin.versions, **versions}),
        evaluation=contents.evaluation,
        probe=probe,
        files={name: hashlib.sha256(content).hexdigest() for name, content in models.items()},
    )


def _keep_other_files(old: Path, new: Path) -> None:
    """Copy what is not part of a bundle, such as learning curves."""
    for path in old.iterdir():
        if path.name in (BUNDLE_FILE, DECODER_FILE, PRIOR_FILE, POLICY_FILE):
            continue
        if path.is_dir():
            shutil.copytree(path, new / path.name, symlinks=True)
        else:
            shutil.copy2(path, new / path.name, follow_symlinks=False)


def _replace(folder: Path, new: Path) -> None:
    old = folder.with_name(f".{folder.name}.replaced")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _floats(values: np.ndarray | Tensor) -> tuple[float, ...]:
    """Float32 numbers with as many digits as tell them apart."""
    return tuple(float(f"{float(value):.9g}") for value in values)
