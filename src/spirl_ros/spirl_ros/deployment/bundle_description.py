"""What a bundle says about itself: which robot, which numbers in which order, and where it comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spirl_ros.arms.robot_configuration import RATES, RobotConfiguration
from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.observation_fields import STATE, VECTOR, Field, ObservationSpec
from spirl_ros.control.velocity_action import (
    COMMANDED,
    MEASURED,
    REFERENCES,
    VelocityScale,
    format_scale,
    problem_of_scale,
)
from spirl_ros.errors import BundleError, ConfigError
from spirl_ros.files.plain_yaml import shortened

CLOSED_LOOP, OPEN_LOOP = "closed_loop", "open_loop"
DECODER_FILE, PRIOR_FILE, POLICY_FILE = "skill_decoder.onnx", "skill_prior.onnx", "policy.onnx"

DECODER_INPUTS = {
    CLOSED_LOOP: ((STATE, "latent"), (STATE, "latent", "phase")),
    OPEN_LOOP: (("latent",),),
}
"""Inputs that a decoder of each kind may have, in order. `phase` is (B, 1), t/H of the skill, in [0, 1)."""
OPTIONAL_INPUTS = {"phase": -1.0}
"""Inputs that a caller may leave out, and the value in the graph that then stands for not known: whoever runs a decoder
with state and latent alone still gets the skill, only less exactly."""
PROGRESS = "progress"
"""Input of a policy, after the fields that it sees: (B, K+1), one-hot over how many of the K target subtasks are
completed in order."""

OLD_FORMAT, FORMAT_VERSION = 1, 2
"""Of bundle.yaml; it counts up when a reader of the old format would misunderstand a new file. In format 1 an
observation is one vector, which its graphs call `observation`."""

ACTION_MEANINGS = ("joint_velocity",)
"""`joint_velocity`: -1 to 1, times the scale; see control/velocity_action.py."""

LARGEST_COUNT = 10_000
"""Of control steps in a skill, and of values in a latent: buffers are made for as many."""
FASTEST_HZ = 10_000.0
_ROUNDING = 1e-9
"""What two writings of one limit may differ by."""


@dataclass(frozen=True)
class ActionMeaning:
    """What an action (Da) means."""

    meaning: str
    """One of ACTION_MEANINGS."""
    scale: VelocityScale
    """Joint velocity of an action of 1 [rad/s, m/s]."""
    reference: str = MEASURED
    """Which position it leads, one of REFERENCES in control/velocity_action.py. Bundles that do not say it are
    `measured`."""

    def __post_init__(self) -> None:
        """Check meaning and range."""
        if self.reference not in REFERENCES:
            raise BundleError(f"action.reference is '{self.reference}', expected one of {', '.join(REFERENCES)}.")
        if self.meaning not in ACTION_MEANINGS:
            raise BundleError(f"action.meaning is '{self.meaning}', expected one of {', '.join(ACTION_MEANINGS)}.")

    def __str__(self) -> str:
        """For messages."""
        return f"a {self.meaning} times {format_scale(self.scale)} from the {self.reference} position"


@dataclass(frozen=True)
class Joint:
    """A joint that an action moves, with the limits of JointLimits."""

    name: str
    unit: str
    """Unit of its position, `rad` or `m`; the rates are that per s, s² and s³."""
    position_lower: float
    position_upper: float
    velocity: float
    acceleration: float
    jerk: float


@dataclass(frozen=True)
class DecoderDescription:
    """The graph p(a | z, s)."""

    kind: str
    """`closed_loop`: one action (B, Da) per control step; `open_loop`: the skill's actions (B, H, Da) at once."""
    inputs: tuple[str, ...]
    """One of DECODER_INPUTS for that kind."""


@dataclass(frozen=True)
class LatentModelDescription:
    """A graph that chooses latents, p(z | s) or pi(z | s). Its outputs are mean, log_std and latent."""

    inputs: tuple[str, ...]
    latent_limit: float | None = None
    """When not None, a drawn u is executed as limit * tanh(u / limit), and `latent` is that of the mean."""


@dataclass(frozen=True)
class Origin:
    """Where a bundle comes from."""

    dataset_digest: str
    """SHA-256 of the demonstrations' arrays, see demonstrations/dataset.py."""
    commit: str
    """Commit of this repository that trained it; empty when unknown."""
    command: str
    """Command line that trained it."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of what exported it."""


@dataclass(frozen=True)
class Probe:
    """One real observation and what the graphs gave for it at export; loading compares with it on this machine."""

    observation: Mapping[str, tuple[float, ...]]
    """Values of each vector by field; a picture is black."""
    latent: tuple[float, ...]
    """(Dz,), the prior's for the observation."""
    action: tuple[float, ...]
    """(Da,), of the skill's first control step."""
    policy_latent: tuple[float, ...] | None = None
    """(Dz,), the policy's for the observation with no subtask completed; None without a policy."""


@dataclass(frozen=True)
class BundleDescription:
    """Everything in bundle.yaml."""

    name: str
    task: str
    """Name of the task that the policy was trained for, or that the demonstrations belong to."""
    target_subtasks: tuple[str, ...]
    """The K subtasks of that task, in order; empty for a task without subtasks."""
    skill_horizon: int
    """H, control steps of one skill."""
    latent_size: int
    """Dz."""
    control_rate_hz: float
    """Actions per second."""
    opset: int
    """ONNX operator set of all graphs."""
    observation: tuple[Field, ...]
    """What is observed, `state` first. The inputs of a graph say which of the fields it sees."""
    action: ActionMeaning
    joints: tuple[Joint, ...]
    """In the action's order (Da)."""
    decoder: DecoderDescription
    prior: LatentModelDescription
    policy: LatentModelDescription | None
    origin: Origin
    evaluation: Mapping[str, Any]
    """Figures of the evaluation, for people: numbers, texts, and lists and mappings of them."""
    probe: Probe
    files: Mapping[str, str]
    """SHA-256 of every file of the bundle, by name."""
    format_version: int = FORMAT_VERSION
    """Of the bundle.yaml that says so."""

    def __post_init__(self) -> None:
        """Check what can be checked without the files."""
        for name in ("skill_horizon", "latent_size"):
            if not 1 <= getattr(self, name) <= LARGEST_COUNT:
                raise BundleError(f"{name} is {shortened(getattr(self, name))}, expected 1 to {LARGEST_COUNT}.")
        if not 0.0 < self.control_rate_hz <= FASTEST_HZ:
            raise BundleError(
                f"control_rate_hz is {self.control_rate_hz}, expected more than 0 and at most {FASTEST_HZ:g}."
            )
        if not self.observation:
            raise BundleError("observation is empty, expected its fields, state first.")
        for text in (self.name, self.task, *self.target_subtasks, *self.joint_names, *self.state.names):
            if not text.isprintable():
                raise BundleError(f"a name is {shortened(text)}, expected printable characters. Export again.")
        try:
            ObservationSpec(self.observation)
        except ConfigError as error:
            raise BundleError(f"observation: {error}") from error
        try:
            self.joint_limits()
        except ConfigError as error:
            raise BundleError(f"joints: {error}") from error
        if problem := problem_of_scale(self.action.scale, self.action_size):
            raise BundleError(f"action.scale {problem}.")
        if self.decoder.kind not in DECODER_INPUTS:
            raise BundleError(f"decoder.kind is '{self.decoder.kind}', expected one of {', '.join(DECODER_INPUTS)}.")
        _check_inputs("decoder", self.decoder.inputs, DECODER_INPUTS[self.decoder.kind])
        self._check_latent_model("prior", self.prior)
        if self.policy is not None:
            self._check_latent_model("policy", self.policy)
        self._check_probe()
        needed = {DECODER_FILE, PRIOR_FILE} | ({POLICY_FILE} if self.policy else set())
        if missing := sorted(needed - set(self.files)):
            raise BundleError(f"files lack {', '.join(missing)}; they are {', '.join(self.files) or 'none'}.")
        if unknown := sorted(set(self.files) - {DECODER_FILE, PRIOR_FILE, POLICY_FILE}):
            raise BundleError(f"files name {shortened(unknown[0])}, which no program here reads. Export again.")
        for name in self.files:
            if name != name.strip() or not name or "/" in name or "\\" in name or name.startswith("."):
                raise BundleError(f"files name '{name}', expected names of files in the bundle's own folder.")
        if (POLICY_FILE in self.files) != (self.policy is not None):
            raise BundleError(f"files name {POLICY_FILE}, but policy is null. Export again.")

    @property
    def state(self) -> Field:
        """The field `state`, (Do,): the joints first."""
        return self.observation[0]

    @property
    def action_size(self) -> int:
        """Da."""
        return len(self.joints)

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Names of the joints in the action's order (Da)."""
        return tuple(joint.name for joint in self.joints)

    def joint_limits(self) -> JointLimits:
        """The joints' limits as the safety filter takes them."""
        columns = {rate: np.array([getattr(joint, rate) for joint in self.joints]) for rate in RATES}
        return JointLimits(joint_names=self.joint_names, **columns)

    def check_fits(
        self,
        joint_names: Sequence[str],
        observation_names: Sequence[str],
        control_rate_hz: float,
        action: ActionMeaning,
        task: str | None = None,
    ) -> None:
        """Refuse a bundle that was trained for another robot.

        Args:
            joint_names: joints of this robot, in the order of its commands.
            observation_names: values that this robot can observe, in any order; it may observe more.
            control_rate_hz: rate at which commands are sent.
            action: what an action means here.
            task: task to do; None accepts every task, as skills without a policy do.

        Raises:
            BundleError: what differs, and what to do.
        """
        whose = f"bundle '{self.name}' was trained for another robot or scene"
        if set(self.joint_names) != set(joint_names):
            raise BundleError(
                f"{whose}: it moves {', '.join(self.joint_names)}, but here are {', '.join(joint_names) or 'none'}. "
                "Load a bundle for these joints, or correct joint_names."
            )
        if self.joint_names != tuple(joint_names):
            raise BundleError(
                f"bundle '{self.name}' moves {', '.join(self.joint_names)} in this order, but commands here go to "
                f"{', '.join(joint_names)}. Bring the configured joint_names into the bundle's order."
            )
        if unseen := [name for name in self.state.names if name not in set(observation_names)]:
            raise BundleError(
                f"{whose}: it observes {', '.join(unseen)}, which nothing here measures. "
                "Load a bundle with observations of this robot, or start what publishes them."
            )
        if not np.isclose(self.control_rate_hz, control_rate_hz, rtol=1e-6, atol=0.0):
            raise BundleError(
                f"bundle '{self.name}' was trained at {self.control_rate_hz:g} Hz, but the control rate here is "
                f"{control_rate_hz:g} Hz. Set the control rate to {self.control_rate_hz:g} Hz or load another bundle."
            )
        if self.action != action:
            raise BundleError(
                f"an action of bundle '{self.name}' is {self.action}, but here {action}. Load another bundle, or "
                "export it again with the robot that it runs on."
            )
        if task is not None and task not in (self.task, ",".join(self.target_subtasks)):
            raise BundleError(
                f"bundle '{self.name}' was trained for the task {self.task}, but the task here is {task}. "
                "Load a bundle for it, or run its skill prior, which fits every task of this scene."
            )

    def check_fits_robot(self, robot: RobotConfiguration, scene_names: tuple[str, ...] | None = ()) -> None:
        """Refuse a bundle that must not move a real arm: as `check_fits`, and above all for its limits.

        Args:
            robot: the arm.
            scene_names: what is measured beside the joints; None when that is not known before it arrives.

        Raises:
            BundleError: what differs, and what to do.
        """
        names = robot.limits.joint_names
        self.check_fits(
            joint_names=names,
            observation_names=self.state.names if scene_names is None else (*names, *scene_names),
            control_rate_hz=robot.control_rate_hz,
            # Relative to the measured position an error of the sensor becomes motion, and how fast depends on the arm's
            # lag.
            action=ActionMeaning("joint_velocity", robot.velocity_scale, COMMANDED),
        )
        limits = self.joint_limits()
        for rate in RATES:
            mine, theirs = getattr(robot.limits, rate), getattr(limits, rate)
            is_wider = theirs < mine - _ROUNDING if rate == "position_lower" else theirs > mine + _ROUNDING
            if is_wider.any():
                worst = int(np.argmax(is_wider))
                raise BundleError(
                    f"bundle '{self.name}' allows {names[worst]} a {rate} of {theirs[worst]:g}, but {robot.name} has "
                    f"{mine[worst]:g}. Export it again with the limits of this arm."
                )

    def _check_latent_model(self, name: str, model: LatentModelDescription) -> None:
        seen = model.inputs[:-1] if name == "policy" and model.inputs[-1:] == (PROGRESS,) else model.inputs
        known = [part.name for part in self.observation]
        if not seen or len(set(seen)) != len(seen) or not set(seen) <= set(known):
            last = f", and {PROGRESS} last or not at all" if name == "policy" else ""
            raise BundleError(
                f"{name}.inputs are ({', '.join(model.inputs)}), expected some of {', '.join(known)}, each once{last}. "
                "A newer program may have written it: update this one, or export again."
            )
        if model.latent_limit is not None and not model.latent_limit > 0.0:
            raise BundleError(f"{name}.latent_limit is {model.latent_limit}, expected more than 0, or null for none.")
        if PROGRESS in model.inputs and not self.target_subtasks:
            raise BundleError(f"{name} needs progress, but target_subtasks is empty. Export again with the subtasks.")

    def _check_probe(self) -> None:
        for seen in self.observation:
            if seen.dtype == VECTOR and len(self.probe.observation.get(seen.name, ())) != seen.shape[0]:
                raise BundleError(f"probe.observation lacks the {seen.shape[0]} values of {seen.name}. Export again.")
        sizes = {"latent": self.latent_size, "action": self.action_size}
        if (self.policy is None) != (self.probe.policy_latent is None):
            raise BundleError("probe.policy_latent must be there with a policy, and only then. Export again.")
        if self.policy is not None:
            sizes["policy_latent"] = self.latent_size
        for name, size in sizes.items():
            if len(getattr(self.probe, name)) != size:
                raise BundleError(f"probe.{name} has {len(getattr(self.probe, name))} values, expected {size}.")


def graph_input(name: str, format_version: int) -> str:
    """What a graph of a bundle of this format calls an input."""
    return "observation" if name == STATE and format_version == OLD_FORMAT else name


def _check_inputs(name: str, inputs: tuple[str, ...], known: tuple[tuple[str, ...], ...]) -> None:
    if inputs not in known:
        expected = " or ".join(f"({', '.join(names)})" for names in known)
        raise BundleError(
            f"{name}.inputs are ({', '.join(inputs)}), expected {expected}. A newer program may have written it: "
            "update this one, or export again."
        )
