"""A bundle in words, for people."""

from collections.abc import Iterator, Mapping
from typing import Any

from spirl_ros.control.observation_fields import PICTURE
from spirl_ros.control.velocity_action import format_scale
from spirl_ros.deployment.bundle import Bundle
from spirl_ros.deployment.bundle_description import CLOSED_LOOP, BundleDescription, LatentModelDescription


def summarise_bundle(bundle: Bundle) -> str:
    """Several lines: what it does, for which robot, where it comes from."""
    description = bundle.description
    lines = [
        f"bundle {description.name}, digest {bundle.digest}",
        f"verified: {', '.join(description.files)}; runs on {bundle.provider}",
        "",
        f"task          {_task(description)}",
        f"skills        {_skills(description)}",
        f"prior         {_latents(description.prior)}",
        f"policy        {_latents(description.policy) if description.policy else 'none: skills and their prior alone'}",
        f"control rate  {description.control_rate_hz:g} Hz",
        f"action        {description.action_size} x {description.action.meaning} in [-1, 1], 1 is "
        f"{format_scale(description.action.scale)} rad/s or m/s",
        *(f"{'observation' * (not row):13} {line}" for row, line in enumerate(_observation(description))),
        "",
        "| joint | position | velocity | acceleration | jerk |",
        "|---|---|---|---|---|",
    ]
    for joint in description.joints:
        lines.append(
            f"| {joint.name} | {joint.position_lower:g} to {joint.position_upper:g} {joint.unit} | {joint.velocity:g} "
            f"{joint.unit}/s | {joint.acceleration:g} {joint.unit}/s² | {joint.jerk:g} {joint.unit}/s³ |"
        )
    origin = description.origin
    lines += [
        "",
        f"trained by    {origin.command or 'unknown'}",
        f"commit        {origin.commit or 'unknown'}",
        f"dataset       {origin.dataset_digest or 'unknown'}",
        f"exported with {', '.join(f'{name} {number}' for name, number in origin.versions.items()) or 'unknown'}",
    ]
    for name, value in _flatten(description.evaluation):
        lines.append(f"evaluation    {name} {f'{value:.4g}' if isinstance(value, float) else value}")
    return "\n".join(lines)


def _task(description: BundleDescription) -> str:
    subtasks = ", ".join(description.target_subtasks)
    return f"{description.task}: {subtasks} in this order" if subtasks else description.task


def _skills(description: BundleDescription) -> str:
    duration_s = description.skill_horizon / description.control_rate_hz
    kind = "closed loop" if description.decoder.kind == CLOSED_LOOP else "open loop"
    return (
        f"{kind}, {description.skill_horizon} control steps ({duration_s:g} s), latent of {description.latent_size}, "
        f"from {', '.join(description.decoder.inputs)}"
    )


def _latents(model: LatentModelDescription) -> str:
    limit = f", latents within ±{model.latent_limit:g}" if model.latent_limit is not None else ""
    return f"Gaussian from {', '.join(model.inputs)}{limit}"


def _observation(description: BundleDescription) -> Iterator[str]:
    for field in description.observation:
        if field.dtype == PICTURE:
            yield f"{field.name}: {' x '.join(map(str, field.shape))} pixels of the camera {field.source}"
        else:
            layout = zip(field.names, field.units, strict=True)
            names = ", ".join(name if unit == "1" else f"{name} [{unit}]" for name, unit in layout)
            yield f"{field.name}: {len(field.names)} values: {names}"


def _flatten(figures: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    flat: list[tuple[str, Any]] = []
    for name, value in figures.items():
        flat += _flatten(value, f"{prefix}{name}.") if isinstance(value, Mapping) else [(prefix + name, value)]
    return flat
