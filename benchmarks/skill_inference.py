"""Skill decoders on the CPU: ours through the runner beside the official one in eager torch; the robot process."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.figures import Figures
from benchmarks.latency import LatencyComparison, compare_latencies
from benchmarks.machine import Machine
from benchmarks.random_episodes import ACTION_SIZE, OBSERVATION_SIZE
from spirl_ros.control.observation_fields import STATE, state_field
from spirl_ros.deployment.bundle import Bundle, load_bundle
from spirl_ros.deployment.bundle_description import CLOSED_LOOP, ActionMeaning, Joint, Origin

if TYPE_CHECKING:
    from benchmarks.official_spirl import OfficialSpirl

PEER, OFFICIAL = "official decoder, torch eager", "official code itself"
CALLS_PER_ROUND = 20
OFFICIAL_OBSERVATION_SIZE = 60
"""The official code also feeds the constant goal."""


@dataclass(frozen=True)
class RobotProcess(Figures):
    """A process that loads a bundle and nothing it does not need, median of several."""

    start_s: float
    """From starting Python to the first decoded action [s]."""
    resident_mb: float
    """Resident memory then [MB]."""
    peak_mb: float
    """Most it ever had [MB]."""

    machine: dict[str, object]

    def rows(self) -> list[str]:
        """One table."""
        return [
            "| robot process with a loaded bundle, torch not importable | |",
            "|---|---|",
            f"| ready after | {self.start_s:.2f} s |",
            f"| memory, resident | {self.resident_mb:.0f} MB |",
            f"| memory, at most | {self.peak_mb:.0f} MB |",
        ]


def compare_decoders(
    rounds: int, bundle: Path | None = None, official_code: "OfficialSpirl | None" = None
) -> tuple[LatencyComparison, RobotProcess]:
    """Time decoders with random weights, also those of a bundle and of the official code, and start robot processes.

    Everything runs in one thread, torch too: with more it is slower at these sizes.
    """
    import torch

    from spirl_ros.skills.config import SkillModelConfig, official_model
    from spirl_ros.skills.skill_model import SkillModel

    torch.set_num_threads(1)
    machine = Machine("torch", "numpy", "onnxruntime", threads=1)
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        official = SkillModel(official_model(), OFFICIAL_OBSERVATION_SIZE, ACTION_SIZE).eval()
        bundles = {"official decoder, our runner": _export(official, Path(folder, "official"))}
        closed = SkillModel(SkillModelConfig(), OBSERVATION_SIZE, ACTION_SIZE).eval()
        bundles["our closed-loop decoder"] = _export(closed, Path(folder, "closed"))
        open_loop = SkillModel(SkillModelConfig(decoder="open_loop"), OBSERVATION_SIZE, ACTION_SIZE).eval()
        bundles["our open-loop decoder, a whole skill"] = _export(open_loop, Path(folder, "open"))
        if bundle is not None:
            bundles[f"bundle {bundle.name}"] = load_bundle(bundle, "cpu")

        observation = torch.from_numpy(generator.standard_normal((1, OFFICIAL_OBSERVATION_SIZE)).astype(np.float32))
        latent = torch.from_numpy(generator.standard_normal((1, 10)).astype(np.float32))

        def run_peer() -> np.ndarray:
            with torch.no_grad():
                return official.decoder(observation, latent)[0].numpy()

        contestants: dict[str, Callable[[], object]] = {PEER: run_peer}
        for name, loaded in bundles.items():
            contestants[name] = _one_call(loaded, generator)
        if official_code is not None:
            contestants[OFFICIAL] = official_code.decoding()
        comparison = compare_latencies(contestants, PEER, rounds, CALLS_PER_ROUND, machine)
        return comparison, measure_robot_process(Path(folder, "closed") if bundle is None else bundle)


def measure_robot_process(bundle: Path, repeats: int = 5) -> RobotProcess:
    """Start processes one after another that load a bundle and decode one action, as a robot's would."""
    starts: list[tuple[float, float, float]] = []
    machine = Machine("onnxruntime", "numpy")
    for _ in range(repeats):
        begin_s = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-c", _ROBOT_PROCESS, str(bundle)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        start_s = time.perf_counter() - begin_s
        if process.wait() != 0:
            raise RuntimeError("the robot process failed; its message stands above")
        figures = json.loads(line)
        starts.append((start_s, figures["VmRSS"] / 1e3, figures["VmHWM"] / 1e3))
    start_s, resident_mb, peak_mb = (statistics.median(values) for values in zip(*starts, strict=True))
    return RobotProcess(start_s, resident_mb, peak_mb, machine.as_dict())


_ROBOT_PROCESS = """
import json, sys
sys.modules["torch"] = sys.modules["rclpy"] = None  # importing either fails
import numpy as np
from spirl_ros.control.skill_executor import SkillExecutor
from spirl_ros.deployment.bundle import load_bundle
bundle = load_bundle(sys.argv[1])
sizes = bundle.description
executor = SkillExecutor(
    bundle.decoder, sizes.skill_horizon, sizes.latent_size, sizes.state.shape[0], sizes.action_size
)
observation = np.array(sizes.probe.observation["state"])
executor.start(bundle.prior.distribution({"state": observation}).latent)
executor.step(observation)
lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({name: int(lines[name].split()[0]) * 1.024 for name in ("VmRSS", "VmHWM")}), flush=True)
"""


def _one_call(bundle: Bundle, generator: np.random.Generator) -> Callable[[], object]:
    """One decoded step, or a whole skill where the decoder is open loop."""
    description, decoder = bundle.description, bundle.decoder
    observation = np.array(description.probe.observation[STATE])
    latent = generator.standard_normal(description.latent_size)
    if description.decoder.kind == CLOSED_LOOP:
        return lambda: decoder.decode(observation, latent, 0)
    return lambda: decoder.decode_skill(latent)  # type: ignore[union-attr]


def _export(model, folder: Path) -> Bundle:
    from spirl_ros.skills.bundle_export import BundleContents, export_bundle
    from spirl_ros.skills.export_modules import SkillPriorModule, decoder_module

    decoder, description = decoder_module(model)
    contents = BundleContents(
        name=folder.name,
        task="benchmark",
        target_subtasks=(),
        skill_horizon=model.config.skill_horizon,
        latent_size=model.config.latent_size,
        control_rate_hz=12.5,
        observation=(
            state_field((f"value_{index}" for index in range(model.observation_size)), ["1"] * model.observation_size),
        ),
        action=ActionMeaning("joint_velocity", 2.0),
        joints=tuple(Joint(f"joint_{index}", "rad", -1.0, 1.0, 1.0, 1.0, 1.0) for index in range(model.action_size)),
        decoder_description=description,
        decoder=decoder,
        prior=SkillPriorModule(model),
        origin=Origin("", "", "spirl bench skills"),
        evaluation={},
    )
    observations = np.random.default_rng(0).standard_normal((16, model.observation_size))
    return export_bundle(folder, contents, {STATE: observations})
