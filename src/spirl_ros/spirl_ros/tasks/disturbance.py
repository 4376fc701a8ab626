"""What differs from the world that a policy knows: sensors that err, actions that come late, things elsewhere.

A `Disturbance` says what may differ and by how much; `DisturbedEpisodes` draws what does in each episode.
"""

import difflib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

import numpy as np

from spirl_ros.errors import ConfigError
from spirl_ros.tasks.task import RobotFacts, TaskFamily

_QUATERNION = ("qw", "qx", "qy", "qz")
_SEED = 6_283_185
"""Beside an episode's seed, so that nothing else draws the same numbers."""


@dataclass(frozen=True)
class Disturbance:
    """What may differ in an episode. Values have names of observations, or patterns such as `*_burner`."""

    about: str = ""
    """For people, with units."""
    offsets: Mapping[str, float] = field(default_factory=dict)
    """Largest error of a value that stays the same for an episode, as of a bad calibration [rad, m, 1]."""
    noise: Mapping[str, float] = field(default_factory=dict)
    """Largest error of a value that is drawn anew for every control step [rad, m, 1]."""
    rotation_offsets: Mapping[str, float] = field(default_factory=dict)
    """Largest turn about any axis by which the quaternion NAME_qw … NAME_qz errs all through an episode [rad]."""
    rotation_noise: Mapping[str, float] = field(default_factory=dict)
    """The same, drawn anew for every control step [rad]."""
    observation_delays: tuple[int, ...] = (0,)
    """Control steps by which observations are old; one of these for an episode."""
    action_delays: tuple[int, ...] = (0,)
    """Control steps by which actions come late; one of these for an episode. Before the first one comes 0."""
    start: Mapping[str, float] = field(default_factory=dict)
    """Largest distance of a value from where it begins usually [rad, m]."""
    push: float = 0.0
    """Largest velocity that a push adds to each of the arm's joints that turn [rad/s]."""
    push_every: int = 25
    """Control steps between two pushes."""
    gains: tuple[float, float] = (1.0, 1.0)
    """Range of the factor on the servos' gains."""
    damping: tuple[float, float] = (1.0, 1.0)
    """Range of the factor on the damping of all joints, the scene's too."""
    masses: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Range of the factor on a body's mass and inertia, by the body's name."""
    share: float = 1.0
    """Share of the episodes that each kind of error is in; errors are as large as that in 1, smaller below."""

    @property
    def is_physical(self) -> bool:
        """Whether robot and scene are different, not only what is seen of them or when."""
        plain = Disturbance()
        return any(getattr(self, name) != getattr(plain, name) for name in ("push", "gains", "damping", "masses"))


NO_DISTURBANCE = Disturbance()
ALL, UNDISTURBED = "all", "undisturbed"


class DisturbedEpisodes:
    """What one simulated robot's episodes have of a disturbance. The same seed draws the same."""

    def __init__(self, disturbance: Disturbance, robot: RobotFacts) -> None:
        """Look up names.

        Raises:
            ConfigError: the robot observes nothing of a name.
        """
        self.disturbance, self.robot = disturbance, robot
        names = robot.observation_names
        self._offsets = _widths(disturbance.offsets, names)
        self._noise = _widths(disturbance.noise, names)
        self._start = _widths(disturbance.start, names)
        self._rotation_offsets = _quaternions(disturbance.rotation_offsets, names)
        self._rotation_noise = _quaternions(disturbance.rotation_noise, names)
        joints = robot.limits.joint_names
        self._turning = np.array([robot.units[name] == "rad" for name in joints])
        self.begin(0)

    def begin(self, seed: int) -> None:
        """Draw what the episode of this seed has."""
        spec = self.disturbance
        generator = self._generator = np.random.default_rng((seed, _SEED))
        self._step = 0

        def amount() -> float:
            """How much of one kind of error this episode has: all, or something up to all in a share of episodes."""
            if spec.share == 1.0:
                return 1.0
            share, size = generator.random(2)
            return float(size) if share < spec.share else 0.0

        def factor(limits: tuple[float, float]) -> float:
            if spec.share == 1.0:
                return float(generator.uniform(*limits))
            return 1.0 + amount() * (float(generator.choice(limits)) - 1.0)

        self._offset = amount() * self._offsets * generator.uniform(-1.0, 1.0, self._offsets.shape)
        self._rotation_offset = [(rows, _turn(generator, amount() * angle)) for rows, angle in self._rotation_offsets]
        self._noise_amount, self._rotation_amount = amount(), amount()
        self._push_amount = amount()
        self.start_shift = amount() * self._start * generator.uniform(-1.0, 1.0, self._start.shape)
        """Of the positions (Do,) that the episode begins with [rad, m]."""
        self.observation_delay = int(generator.choice(spec.observation_delays))
        self.action_delay = int(generator.choice(spec.action_delays))
        self.gain, self.damping = factor(spec.gains), factor(spec.damping)
        self.masses = {name: factor(limits) for name, limits in spec.masses.items()}
        self._observed: deque[np.ndarray] = deque(maxlen=self.observation_delay + 1)
        self._actions: deque[np.ndarray] = deque(maxlen=self.action_delay + 1)

    def observe(self, observation: np.ndarray) -> np.ndarray:
        """What is seen (Do,) where this is measured (Do,); called once at an episode's start and after each step."""
        seen = observation + self._offset
        seen += self._noise_amount * self._noise * self._generator.uniform(-1.0, 1.0, self._noise.shape)
        turns = list(self._rotation_offset)
        turns += [(rows, _turn(self._generator, self._rotation_amount * a)) for rows, a in self._rotation_noise]
        for rows, turn in turns:
            seen[rows] = _product(turn, seen[rows])
        self._observed.append(seen)
        return self._observed[0]

    def late(self, action: np.ndarray) -> np.ndarray:
        """The action (Da,) that takes effect now where this is chosen (Da,): an earlier one, or 0 before the first."""
        self._actions.append(np.array(action))
        return self._actions[0] if len(self._actions) > self.action_delay else np.zeros_like(action)

    def push(self) -> np.ndarray | None:
        """What a push before this control step adds to the joints' velocities (Da,) [rad/s]; None without one."""
        self._step += 1
        size = self.disturbance.push * self._push_amount
        if size == 0.0 or self._step % self.disturbance.push_every:
            return None
        return size * self._turning * self._generator.uniform(-1.0, 1.0, self._turning.shape)


def _widths(given: Mapping[str, float], names: Sequence[str]) -> np.ndarray:
    """Width of each named value (Do,); 0 where nothing is given. Raises ConfigError for a pattern that fits none."""
    widths = np.zeros(len(names))
    for pattern, width in given.items():
        fitting = [index for index, name in enumerate(names) if fnmatchcase(name, pattern)]
        if not fitting:
            raise ConfigError(f"a disturbance is about {pattern}, but the robot observes {', '.join(names)}.")
        widths[fitting] = width
    return widths


def _quaternions(given: Mapping[str, float], names: Sequence[str]) -> list[tuple[list[int], float]]:
    """Rows of each quaternion and its angle. Raises ConfigError for a name without one."""
    found = []
    for name, angle in given.items():
        parts = [f"{name}_{part}" for part in _QUATERNION]
        if not all(part in names for part in parts):
            raise ConfigError(f"a disturbance turns {name}, but the robot observes no {', '.join(parts)}.")
        found.append(([names.index(part) for part in parts], angle))
    return found


def _turn(generator: np.random.Generator, angle: float) -> np.ndarray:
    """A unit quaternion that turns by at most this angle [rad] about a random axis."""
    axis = generator.standard_normal(3)
    half = 0.5 * angle * generator.random()
    return np.array([np.cos(half), *(np.sin(half) * axis / np.linalg.norm(axis))])


def _product(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Of two quaternions (w, x, y, z)."""
    vector = p[0] * q[1:] + q[0] * p[1:] + np.cross(p[1:], q[1:])
    return np.array([p[0] * q[0] - p[1:] @ q[1:], *vector])


def observation_errors(disturbance: Disturbance, names: Sequence[str]) -> np.ndarray:
    """Largest constant error (Do,) of each named value [rad, m, 1]; 0 where the disturbance says nothing of it."""
    given = {name: width for name, width in disturbance.offsets.items()}
    for name, angle in disturbance.rotation_offsets.items():
        given |= {f"{name}_{part}": float(np.sin(0.5 * angle)) for part in _QUATERNION}
    return np.array([max((w for p, w in given.items() if fnmatchcase(name, p)), default=0.0) for name in names])


def usual_training(robot: RobotFacts) -> Disturbance:
    """What policies of every robot can learn with: about twice of what they are tried against."""
    units, joints = robot.units, robot.limits.joint_names
    of_joints, of_scene = {"rad": 0.005, "m": 0.001}, {"rad": 0.02, "m": 0.003, "1": 0.02, "rad/s": 0.05, "m/s": 0.05}
    errors = {name: of_joints[units[name]] for name in joints}
    errors |= {name: of_scene[units[name]] for name in robot.observation_names if name not in joints}
    return Disturbance(
        "errors of sensors, late actions and old observations",
        offsets=errors,
        noise=errors,
        observation_delays=(0, 0, 0, 1),
        action_delays=(0, 0, 0, 0, 0, 1, 2),
        share=0.25,
    )


def usual_physical_training(robot: RobotFacts) -> Disturbance:
    """What policies of every robot in a simulator of ours can learn with."""
    return replace(
        usual_training(robot),
        about="errors of sensors, late actions and old observations, another start, pushes, other gains and damping",
        start={name: 0.2 for name in robot.limits.joint_names if robot.units[name] == "rad"},
        push=1.5,
        gains=(0.75, 1.25),
        damping=(1.0, 2.2),
    )


def chosen_disturbances(family: TaskFamily, names: str) -> dict[str, Disturbance]:
    """Those of a family with these names, separated by commas, or all; first of all none at all.

    Raises:
        ConfigError: a name is unknown.
    """
    known = family.disturbances()
    wanted = list(known) if names == ALL else names.split(",")
    for name in wanted:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            guess = f" Did you mean '{close[0]}'?" if close else ""
            raise ConfigError(
                f"disturbance is '{name}', but the {family.name} has {', '.join(known)}, and {ALL} for a table.{guess}"
            )
    return {UNDISTURBED: NO_DISTURBANCE} | {name: known[name] for name in wanted}


def usual_disturbances(robot: RobotFacts) -> dict[str, Disturbance]:
    """Those that every robot can have, by name."""
    joints = robot.limits.joint_names
    turning = {name: 0.005 for name in joints if robot.units[name] == "rad"}
    found = {
        "joints_offset": Disturbance("joint angles err by up to 0.005 rad, the same for an episode", offsets=turning),
        "joints_noise": Disturbance("joint angles err by up to 0.005 rad, anew each step", noise=turning),
        "actions_1_late": Disturbance("actions come one control step late", action_delays=(1,)),
        "actions_2_late": Disturbance("actions come two control steps late", action_delays=(2,)),
        "observations_1_old": Disturbance("observations are one control step old", observation_delays=(1,)),
    }
    return found if turning else {name: found[name] for name in found if not name.startswith("joints_")}


def usual_physical_disturbances(robot: RobotFacts) -> dict[str, Disturbance]:
    """Those that every robot in a simulator of ours can have, by name."""
    turning = {name: 0.15 for name in robot.limits.joint_names if robot.units[name] == "rad"}
    found = {
        "start_wide": Disturbance("joints begin up to 0.15 rad elsewhere", start=turning),
        "pushes": Disturbance("every 25 control steps a push of up to 1.5 rad/s on each joint", push=1.5),
        "gains_low": Disturbance("the servos' gains are 20 % lower", gains=(0.8, 0.8)),
        "gains_high": Disturbance("the servos' gains are 20 % higher", gains=(1.2, 1.2)),
        "damping_double": Disturbance("all joints have twice the damping", damping=(2.0, 2.0)),
    }
    return found if turning else {name: found[name] for name in found if name not in ("start_wide", "pushes")}
