"""A bundle made by hand, so that tests need no torch: 3 observed values, 2 joints, latents of 2, skills of 4 steps.

Closed loop: action = (first two observed values) + 10 latent (+ 100 phase). Open loop: action at step t = (t + 1)
latent. Prior and policy: mean = first two observed values (+ subtasks completed), log_std = 0.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spirl_ros.control.observation_fields import state_field
from spirl_ros.deployment.bundle_description import (
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

OPSET = 18
DESCRIPTION = BundleDescription(
    name="small",
    task="kettle,microwave",
    target_subtasks=("kettle", "microwave"),
    skill_horizon=4,
    latent_size=2,
    control_rate_hz=12.5,
    opset=OPSET,
    observation=(state_field(("joint_a", "joint_b", "door"), ("rad", "m", "rad")),),
    action=ActionMeaning("joint_velocity", 2.0),
    joints=(Joint("joint_a", "rad", -1.0, 1.0, 2.0, 20.0, 200.0), Joint("joint_b", "m", 0.0, 0.04, 0.5, 5.0, 50.0)),
    decoder=DecoderDescription("closed_loop", ("state", "latent")),
    prior=LatentModelDescription(("state",)),
    policy=None,
    origin=Origin("ab" * 32, "cd" * 20, "spirl skills train", {"torch": "2.13.0"}),
    evaluation={"subtasks": {"mean": 2.5, "episodes": 50}},
    # 0.5 + 10 x 0.5 and 1 + 10 x 1.
    probe=Probe(observation={"state": (0.5, 1.0, 2.0)}, latent=(0.5, 1.0), action=(5.5, 11.0)),
    files={"skill_decoder.onnx": "00" * 32, "skill_prior.onnx": "00" * 32},
)


def make_model(inputs, outputs, nodes, constants, *, opset=OPSET, batch="batch", pictures=()) -> bytes:
    """An ONNX file; inputs and outputs are shapes by name without the batch axis, `pictures` the inputs of bytes."""
    onnx = pytest.importorskip("onnx")

    def value(name, shape):
        kind = onnx.TensorProto.UINT8 if name in pictures else onnx.TensorProto.FLOAT
        return onnx.helper.make_tensor_value_info(name, kind, [batch, *shape])

    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(kind, list(given), [result], **settings) for kind, given, result, settings in nodes],
        "graph",
        [value(*item) for item in inputs.items()],
        [value(*item) for item in outputs.items()],
        [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=8)
    return model.SerializeToString()


def closed_loop_decoder(*, with_phase=False, factor=10.0, state="state", **options) -> bytes:
    # Rows: three observed values, two of the latent and the phase; columns: two joints.
    weights = np.zeros((6 if with_phase else 5, 2), np.float32)
    weights[[0, 1], [0, 1]], weights[[3, 4], [0, 1]] = 1.0, factor
    inputs = {state: (3,), "latent": (2,)}
    if with_phase:
        weights[5], inputs["phase"] = 100.0, (1,)
    nodes = [("Concat", inputs, "all", {"axis": 1}), ("MatMul", ("all", "weights"), "action", {})]
    return make_model(inputs, {"action": (2,)}, nodes, {"weights": weights}, **options)


def open_loop_decoder() -> bytes:
    nodes = [("Unsqueeze", ("latent", "axes"), "wide", {}), ("Mul", ("wide", "factors"), "actions", {})]
    constants = {"axes": np.array([1]), "factors": np.arange(1.0, 5.0, dtype=np.float32).reshape(1, 4, 1)}
    return make_model({"latent": (2,)}, {"actions": (4, 2)}, nodes, constants)


def latent_model(*, with_progress=False, limit=None, state="state") -> bytes:
    inputs = {state: (3,), "progress": (3,)} if with_progress else {state: (3,)}
    weights = np.zeros((6 if with_progress else 3, 2), np.float32)
    weights[[0, 1], [0, 1]] = 1.0
    if with_progress:
        weights[3:] = [[0.0], [1.0], [2.0]]
    nodes = [
        ("Concat", inputs, "all", {"axis": 1}),
        ("MatMul", ("all", "weights"), "mean", {}),
        ("Sub", ("mean", "mean"), "log_std", {}),
    ]
    constants = {"weights": weights}
    if limit is None:
        nodes.append(("Identity", ("mean",), "latent", {}))
    else:
        constants["limit"] = np.array(limit, np.float32)
        nodes += [("Div", ("mean", "limit"), "scaled", {}), ("Tanh", ("scaled",), "bent", {})]
        nodes.append(("Mul", ("bent", "limit"), "latent", {}))
    return make_model(inputs, {name: (2,) for name in ("mean", "log_std", "latent")}, nodes, constants)


def write_bundle(
    folder: Path, *, decoder=None, prior=None, policy=None, describe=None, is_known=True, **changes
) -> BundleDescription:
    """Write the small bundle with other graphs, and with other entries of the description.

    Entries with the names of graphs, decoder, prior and policy, go into `describe`.
    A bundle that is known is not tried in a process of its own first.
    """
    models = {"skill_decoder.onnx": decoder or closed_loop_decoder(), "skill_prior.onnx": prior or latent_model()}
    if policy is not None:
        models["policy.onnx"] = policy
    files = {name: hashlib.sha256(content).hexdigest() for name, content in models.items()}
    description = replace(DESCRIPTION, **{"files": files, **(describe or {}), **changes})
    folder.mkdir()
    for name, content in models.items():
        (folder / name).write_bytes(content)
    (folder / BUNDLE_FILE).write_text(format_description(description))
    if is_known:
        remember(description_digest(description))
    return description
