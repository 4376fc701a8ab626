"""What a disturbed arm does: measured states that are wrong, a second publisher, an executor that is held up.

A stand-in arm, the executor and a probe between them run in a process each, over DDS on this machine.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.figures import Figures
from benchmarks.machine import Machine
from benchmarks.node_processes import node_command, own_domain, running
from spirl_ros.arms.robot_configuration import RATES, RobotConfiguration, read_robot
from spirl_ros.control.observation_fields import state_field
from spirl_ros.control.velocity_action import COMMANDED
from spirl_ros.deployment.bundle_description import (
    ActionMeaning,
    BundleDescription,
    DecoderDescription,
    Joint,
    LatentModelDescription,
    Origin,
    Probe,
)
from spirl_ros.deployment.bundle_file import BUNDLE_FILE, format_description
from spirl_ros.errors import SpirlError
from spirl_ros.nodes.executor.arm_probe import DISTURBED_TOPIC

ROBOT = "ur5e"
SPEEDS = (1.0, 0.1)
HORIZON = 20
_OPSET = 18
_ACTION = 0.4
"""Of every joint, to one side in one skill and to the other in the next."""


@dataclass(frozen=True)
class DisturbedArmFigures(Figures):
    """The result."""

    reactions: dict[str, list[dict[str, object]]]
    """Reactions as ArmProbe gives them, by disturbance and speed."""
    machine: dict[str, object]

    def largest(self, name: str, figure: str) -> float:
        """Of a disturbance's reactions."""
        return max(float(str(reaction[figure])) for reaction in self.reactions[name])

    def rows(self) -> list[str]:
        """A table of the largest of each figure."""
        lines = [
            "| disturbance of a UR5e's stand-in | times | cause named after ms | at rest after ms | share of the "
            "velocity limit | share of the acceleration limit |",
            "|---|---|---|---|---|---|",
        ]
        for name, reactions in self.reactions.items():
            named_s, rest_s, velocity, acceleration = (
                self.largest(name, figure) for figure in ("named_s", "rest_s", "velocity", "acceleration")
            )
            named, rest = (f"{time_s * 1e3:.0f}" if time_s else "goes on" for time_s in (named_s, rest_s))
            lines.append(f"| {name} | {len(reactions)} | {named} | {rest} | {velocity:.2f} | {acceleration:.2f} |")
        return lines


def measure_disturbed_arm(
    rounds: int, seed: int = 0, state_rate_hz: float = 500.0, enough: Mapping[str, float] | None = None
) -> DisturbedArmFigures:
    """Every disturbance so many times, at each speed.

    Args:
        rounds: of each disturbance.
        seed: of how long the executor is stopped.
        state_rate_hz: joint states per second; passing them on is what takes the processors' time.
        enough: upper bounds of a reaction's figures; one within all of them is the last of its disturbance. None for
            as many as there are rounds.

    Raises:
        SpirlError: the nodes do not start, or do not react.
    """
    machine, found = Machine("onnxruntime", "ros-rclpy"), {}
    for speed in SPEEDS:
        for name, reactions in _measure(speed, rounds, seed, state_rate_hz, enough or {}).items():
            found[f"{name}, speed {speed:g}"] = reactions
    return DisturbedArmFigures(found, machine.as_dict())


def _measure(
    speed: float, rounds: int, seed: int, state_rate_hz: float, enough: Mapping[str, float]
) -> dict[str, list[dict[str, object]]]:
    with tempfile.TemporaryDirectory(prefix="spirl_bench_") as folder, ExitStack() as stack:
        environment = stack.enter_context(own_domain())
        bundle = write_swinging_skills(Path(folder) / "bundle", read_robot(ROBOT))
        arm = {
            "robot": ROBOT,
            "state_rate_hz": state_rate_hz,
            "acceleration_tolerance": 1000.0,
            "realtime_priority": 49,
        }
        log = stack.enter_context(Path(folder, "nodes.log").open("w+"))
        stack.enter_context(running(node_command("stand_in_arm", arm), environment, log.fileno()))
        of_executor = {"robot": ROBOT, "bundle": bundle, "speed": speed, "joint_state_topic": DISTURBED_TOPIC}
        of_executor |= {"command_interface": "joint_trajectory", "discovery_s": 0.0, "max_age_s": 0.15}
        of_executor["trajectory_controller"] = read_robot(ROBOT).trajectory_controller
        executor = stack.enter_context(running(node_command("skill_executor", of_executor), environment, log.fileno()))
        command = [
            sys.executable,
            "-m",
            "spirl_ros.nodes.executor.arm_probe",
            str(rounds),
            str(seed),
            str(executor.pid),
            json.dumps(dict(enough)),
        ]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            log.seek(0)
            raise SpirlError(
                f"arm_probe at speed {speed:g} failed: {done.stderr.strip()}; arm and executor: {log.read()}"
            )
        return json.loads(done.stdout.splitlines()[-1])


def write_swinging_skills(folder: Path, robot: RobotConfiguration) -> Path:
    """A bundle for an arm: every joint at the velocity that the latent (1,) says, and a prior that says none."""
    import onnx

    names, size = robot.limits.joint_names, len(robot.limits.joint_names)

    def graph(inputs: dict[str, int], outputs: dict[str, int]) -> bytes:
        """Each output is the last input times ones or zeros."""
        given = list(inputs)[-1]
        constants = {
            output: np.full((inputs[given], width), _ACTION if output == "action" else 0.0, np.float32)
            for output, width in outputs.items()
        }
        nodes = [onnx.helper.make_node("MatMul", [given, f"{output}_weights"], [output]) for output in outputs]
        made = onnx.helper.make_graph(
            nodes,
            "graph",
            [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, ["batch", w]) for n, w in inputs.items()],
            [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, ["batch", w]) for n, w in outputs.items()],
            [onnx.numpy_helper.from_array(values, f"{output}_weights") for output, values in constants.items()],
        )
        opset = onnx.helper.make_opsetid("", _OPSET)
        return onnx.helper.make_model(made, opset_imports=[opset], ir_version=8).SerializeToString()

    contents = {
        "skill_decoder.onnx": graph({"state": size, "latent": 1}, {"action": size}),
        "skill_prior.onnx": graph({"state": size}, {"mean": 1, "log_std": 1, "latent": 1}),
    }
    rates = [getattr(robot.limits, rate) for rate in RATES]
    description = BundleDescription(
        name="swing",
        task="swing",
        target_subtasks=(),
        skill_horizon=HORIZON,
        latent_size=1,
        control_rate_hz=robot.control_rate_hz,
        opset=_OPSET,
        observation=(state_field(names, robot.units),),
        action=ActionMeaning("joint_velocity", robot.velocity_scale, COMMANDED),
        joints=tuple(
            Joint(name, robot.units[row], *(float(rate[row]) for rate in rates)) for row, name in enumerate(names)
        ),
        decoder=DecoderDescription("closed_loop", ("state", "latent")),
        prior=LatentModelDescription(("state",)),
        policy=None,
        origin=Origin("", "", "spirl bench control"),
        evaluation={},
        probe=Probe({"state": tuple(float(value) for value in robot.home)}, (0.0,), (0.0,) * size),
        files={name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
    )
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / BUNDLE_FILE).write_text(format_description(description))
    return folder
