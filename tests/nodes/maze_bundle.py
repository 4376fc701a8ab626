"""A bundle for the maze whose policy goes by the picture, made by hand: skills of 5 steps, latents of 2.

Mean of the policy = the picture's values times fixed weights, within 1. The decoder moves the point as the latent
says. Prior: N(0, 1).
"""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from spirl_ros.control.observation_fields import VECTOR
from spirl_ros.deployment.bundle_description import ActionMeaning, DecoderDescription, LatentModelDescription, Probe
from spirl_ros.deployment.robot_facts import bundle_joints
from spirl_ros.maze.family import MAZE
from spirl_ros.maze.picture import VIEW
from tests.deployment.small_bundle import DESCRIPTION, make_model
from tests.nodes.kitchen_bundle import write_contents

HORIZON = 5
_OUTPUTS = {name: (2,) for name in ("mean", "log_std", "latent")}


def write_maze_bundle(folder: Path) -> Path:
    """Write it and return its folder."""
    robot = MAZE.robot
    state = robot.observation.state
    nothing = {"zero": np.zeros((state.shape[0], 2), np.float32)}
    seen = int(np.prod(VIEW.shape))
    weights = np.random.default_rng(0).normal(0.0, 0.002, (seen, 2)).astype(np.float32)
    contents = {
        "skill_decoder.onnx": make_model(
            {"state": state.shape, "latent": (2,)},
            {"action": (2,)},
            [
                ("MatMul", ("state", "zero"), "nothing", {}),
                ("Add", ("nothing", "latent"), "sum", {}),
                ("Tanh", ("sum",), "action", {}),
            ],
            nothing,
        ),
        "skill_prior.onnx": make_model(
            {"state": state.shape},
            _OUTPUTS,
            [("MatMul", ("state", "zero"), name, {}) for name in _OUTPUTS],
            nothing,
        ),
        "policy.onnx": make_model(
            {VIEW.name: VIEW.shape},
            _OUTPUTS,
            [
                ("Cast", (VIEW.name,), "numbers", {"to": 1}),
                ("Flatten", ("numbers",), "row", {"axis": 1}),
                ("MatMul", ("row", "weights"), "sum", {}),
                ("Tanh", ("sum",), "mean", {}),
                ("Sub", ("mean", "mean"), "log_std", {}),
                ("Identity", ("mean",), "latent", {}),
            ],
            {"weights": weights},
            pictures=(VIEW.name,),
        ),
    }
    description = replace(
        DESCRIPTION,
        name="maze_test",
        skill_horizon=HORIZON,
        latent_size=2,
        control_rate_hz=1.0 / robot.control_period_s,
        observation=robot.observation.fields,
        action=ActionMeaning("joint_velocity", robot.velocity_scale, robot.action_reference),
        joints=bundle_joints(robot, robot.limits.joint_names),
        task="maze:goal",
        target_subtasks=("goal",),
        decoder=DecoderDescription("closed_loop", ("state", "latent")),
        prior=LatentModelDescription(("state",)),
        policy=LatentModelDescription((VIEW.name,)),
        probe=Probe(
            {field.name: (0.0,) * field.shape[0] for field in robot.observation.fields if field.dtype == VECTOR},
            (0.0, 0.0),
            (0.0, 0.0),
            (0.0, 0.0),
        ),
        files={file: hashlib.sha256(content).hexdigest() for file, content in contents.items()},
    )
    write_contents(folder, description, contents)
    return folder
