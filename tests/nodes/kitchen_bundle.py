"""A bundle for the simulated kitchen, made by hand, so that tests need no torch: skills of 5 steps, latents of 2.

Action = tanh(latent @ weights), the same at every step: a latent of (v, 0) moves the joints one way, (0, v) others.
Prior: mean = (0.2, -0.1), log_std = -3. Policy, where asked for: mean = (0.3, -0.1) with the same log_std, which is
0.1² / e^-6 / 2 = 2.02 nats from the prior; `fails` makes it NaN wherever the second joint is below 0, as it is in the
kitchen."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.observation_fields import state_field
from spirl_ros.deployment.bundle_description import (
    ActionMeaning,
    BundleDescription,
    Joint,
    LatentModelDescription,
    Probe,
)
from spirl_ros.deployment.bundle_file import BUNDLE_FILE, description_digest, format_description
from spirl_ros.deployment.bundle_trial import remember
from spirl_ros.kitchen.scene import CONTROL_PERIOD_S, load_kitchen_scene
from spirl_ros.kitchen.subtasks import TASKS
from tests.deployment.small_bundle import DESCRIPTION, make_model

HORIZON, LATENT_SIZE = 5, 2
WEIGHTS = np.zeros((LATENT_SIZE, 9), np.float32)
WEIGHTS[0, :4], WEIGHTS[1, 3:7] = (0.4, 0.3, -0.5, 0.2), (0.3, -0.4, 0.2, 0.1)
PRIOR_MEAN, POLICY_MEAN = (0.2, -0.1), (0.3, -0.1)


def write_kitchen_bundle(
    folder: Path,
    name: str = "kitchen_test",
    scale: float = 1.0,
    policy: str | None = None,
    squash: str = "Tanh",
    rate_hz: float = 1.0 / CONTROL_PERIOD_S,
    share_of_limits: float = 1.0,
) -> Path:
    """Write the bundle.

    Args:
        folder: is made.
        name: of the bundle.
        scale: multiplies its actions' weights.
        policy: none, one that `works` or one that `fails`.
        squash: Tanh, or what takes its place: Tan knows no bounds, Asin of more than 1 is not a number.
        rate_hz: control rate that it says to be for.
        share_of_limits: of velocity, acceleration and jerk of the kitchen's arm.

    Returns:
        The folder.
    """
    scene = load_kitchen_scene()
    size = len(scene.joint_names) + len(scene.scene_names)
    weights = scale * WEIGHTS
    function = {"Tanh": np.tanh, "Tan": np.tan, "Asin": np.arcsin}[squash]
    decoder = make_model(
        {"state": (size,), "latent": (LATENT_SIZE,)},
        {"action": (9,)},
        [
            ("Concat", ("state", "latent"), "all", {"axis": 1}),
            ("MatMul", ("all", "weights"), "sum", {}),
            (squash, ("sum",), "action", {}),
        ],
        {"weights": np.vstack((np.zeros((size, 9), np.float32), weights))},
    )
    contents = {"skill_decoder.onnx": decoder, "skill_prior.onnx": _latent_model(size, PRIOR_MEAN)}
    if policy is not None:
        contents["policy.onnx"] = _latent_model(size, POLICY_MEAN, fails=policy == "fails")
    description = replace(
        DESCRIPTION,
        name=name,
        skill_horizon=HORIZON,
        latent_size=LATENT_SIZE,
        control_rate_hz=rate_hz,
        observation=(state_field((*scene.joint_names, *scene.scene_names), ("1",) * size),),
        action=ActionMeaning("joint_velocity", 2.0),
        joints=_joints(scene.limits, share_of_limits),
        task="kitchen",
        target_subtasks=TASKS["kitchen"],
        probe=Probe(
            {"state": (0.0,) * size},
            PRIOR_MEAN,
            tuple(float(a) for a in function(np.array(PRIOR_MEAN) @ weights)),
            None if policy is None else POLICY_MEAN,
        ),
        policy=None if policy is None else LatentModelDescription(("state",)),
        files={file: hashlib.sha256(content).hexdigest() for file, content in contents.items()},
    )
    write_contents(folder, description, contents)
    return folder


def _latent_model(size: int, mean: tuple[float, ...], fails: bool = False) -> bytes:
    outputs = {"mean": mean, "log_std": (-3.0, -3.0), "latent": mean}
    # 0 times the observation, plus the value; the root of a negative position is not a number.
    nodes: list = [("MatMul", ("state", "second"), "picked", {})]
    nodes.append(("Sqrt", ("picked",), "root", {}) if fails else ("Identity", ("picked",), "root", {}))
    nodes.append(("Mul", ("root", "zero"), "nothing", {}))
    nodes += [("Add", ("nothing", f"{output}_value"), output, {}) for output in outputs]
    second = np.zeros((size, LATENT_SIZE), np.float32)
    second[1] = 1.0
    constants = {"second": second, "zero": np.zeros(1, np.float32)}
    constants |= {f"{output}_value": np.array(values, np.float32) for output, values in outputs.items()}
    return make_model({"state": (size,)}, {output: (LATENT_SIZE,) for output in outputs}, nodes, constants)


def _joints(limits: JointLimits, share: float) -> tuple[Joint, ...]:
    rates = (share * rate for rate in (limits.velocity, limits.acceleration, limits.jerk))
    rows = zip(limits.joint_names, limits.position_lower, limits.position_upper, *rates, strict=True)
    return tuple(Joint(name, "rad", *(float(value) for value in values)) for name, *values in rows)


def write_contents(folder: Path, description: BundleDescription, contents: dict[str, bytes]) -> None:
    """Write a bundle, which counts as tried: loading it is quick."""
    folder.mkdir(parents=True)
    for file, content in contents.items():
        (folder / file).write_bytes(content)
    (folder / BUNDLE_FILE).write_text(format_description(description))
    remember(description_digest(description))
