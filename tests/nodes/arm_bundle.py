"""Joint-space skills for a real arm, made by hand so that tests need no torch: 10 steps, latents of 3.

Action = tanh(latent @ weights - pull * (joints - home)): every latent is a push in some direction, and the further the
arm is from home the stronger it is drawn back. The prior is wide, so that one skill after another wanders about.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from spirl_ros.arms.robot_configuration import RATES, RobotConfiguration
from spirl_ros.control.observation_fields import state_field
from spirl_ros.control.velocity_action import COMMANDED
from spirl_ros.deployment.bundle_description import ActionMeaning, BundleDescription, Joint, Probe
from tests.deployment.small_bundle import DESCRIPTION, make_model
from tests.nodes.kitchen_bundle import write_contents

HORIZON, LATENT_SIZE, PULL = 10, 3, 1.5


def write_arm_bundle(
    folder: Path, robot: RobotConfiguration, strength: float = 1.0, pull: float = PULL, **changes
) -> Path:
    """Write skills for a robot; `strength` multiplies what latents ask for, `changes` go into the description."""
    names, home = robot.limits.joint_names, robot.home
    size = len(names)
    push = strength * np.random.default_rng(0).normal(size=(LATENT_SIZE, size))
    weights = np.vstack((-pull * np.eye(size), push)).astype(np.float32)
    decoder = make_model(
        {"state": (size,), "latent": (LATENT_SIZE,)},
        {"action": (size,)},
        [
            ("Concat", ("state", "latent"), "all", {"axis": 1}),
            ("MatMul", ("all", "weights"), "sum", {}),
            ("Add", ("sum", "bias"), "pushed", {}),
            ("Tanh", ("pushed",), "action", {}),
        ],
        {"weights": weights, "bias": (pull * home).astype(np.float32)},
    )
    constant = {"mean": (0.0,) * LATENT_SIZE, "log_std": (0.0,) * LATENT_SIZE, "latent": (0.0,) * LATENT_SIZE}
    prior = make_model(
        {"state": (size,)},
        {output: (LATENT_SIZE,) for output in constant},
        [("MatMul", ("state", "zeros"), output, {}) for output in constant],
        {"zeros": np.zeros((size, LATENT_SIZE), np.float32)},
    )
    contents = {"skill_decoder.onnx": decoder, "skill_prior.onnx": prior}
    rates = [getattr(robot.limits, rate) for rate in RATES]
    description: BundleDescription = replace(
        DESCRIPTION,
        name=f"{robot.name}_test",
        task="wander",
        target_subtasks=(),
        skill_horizon=HORIZON,
        latent_size=LATENT_SIZE,
        control_rate_hz=robot.control_rate_hz,
        observation=(state_field(names, ("rad",) * size),),
        action=ActionMeaning("joint_velocity", robot.velocity_scale, COMMANDED),
        joints=tuple(Joint(name, "rad", *(float(rate[row]) for rate in rates)) for row, name in enumerate(names)),
        probe=Probe({"state": tuple(float(value) for value in home)}, (0.0,) * LATENT_SIZE, (0.0,) * size),
        files={file: hashlib.sha256(content).hexdigest() for file, content in contents.items()},
    )
    description = replace(description, **changes)
    write_contents(folder, description, contents)
    return folder
