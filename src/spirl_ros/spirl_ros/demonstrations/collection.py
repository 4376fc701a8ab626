"""Records demonstrations of the scripted operator: random chains of subtasks, many at once, the same for every run."""

import os
import signal
import threading
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait

import mujoco
import numpy as np

from spirl_ros.control.observation_fields import VECTOR, Field
from spirl_ros.demonstrations.episode import Episode
from spirl_ros.demonstrations.layout import robot_metadata
from spirl_ros.demonstrations.operator_style import DEFAULT_STYLE, OperatorStyle
from spirl_ros.errors import ConfigError
from spirl_ros.tasks.families import DEFAULT_FAMILY, split_task
from spirl_ros.tasks.task import Environment, EpisodeConfig, Operator, TaskFamily

SPLITS = {
    "mixed": "random chains of subtasks; no episode completes all target subtasks of the task",
    "complete": "the target subtasks of the task, in order",
}
"""Which chains are drawn, after D4RL's names."""

_RANDOM_STREAM = 13
"""Mixed into a chain's seed, so that what is drawn here is independent of the episode's and the operator's noise."""


@dataclass(frozen=True)
class CollectionConfig:
    """What to collect. Chain i depends on these values and on i alone."""

    task: str = DEFAULT_FAMILY
    """Task whose target subtasks the split is about, after `FAMILY:` where it is not the default one's."""
    split: str = "mixed"
    """Which chains are drawn, one of SPLITS."""
    seed: int = 0
    """Decides everything random."""
    noise: tuple[float, float] = (0.05, 0.25)
    """Range that each episode's injected noise is drawn from: standard deviation on the arm's actions, between the
    intended and the executed one (DART, Laskey et al. 2017); (0, 0) for none."""
    max_steps: int | None = None
    """Control steps until the chain counts as failed; None for the family's."""

    def __post_init__(self) -> None:
        """Check the values."""
        family, _ = split_task(self.task)
        if self.max_steps is None:
            object.__setattr__(self, "max_steps", family.max_steps)
        if self.split not in SPLITS:
            raise ConfigError(f"split is '{self.split}', expected one of {', '.join(SPLITS)}.")
        if self.split == "mixed" and family.chain_length >= len(family.subtasks):
            raise ConfigError(
                f"split is 'mixed', but every chain of {family.name} has all its subtasks. Choose --split complete."
            )
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}, expected 0 or more.")
        smallest, largest = self.noise
        if not 0.0 <= smallest <= largest < np.inf:
            raise ConfigError(f"noise is {smallest} to {largest}, expected 0 <= smallest <= largest.")


@dataclass(frozen=True)
class Chain:
    """One episode to run: subtasks in order, and the seed of the episode and of its operator."""

    subtasks: tuple[str, ...]
    seed: int


@dataclass(frozen=True)
class RecordedChain:
    """What became of one chain."""

    index: int
    """The chain's number."""
    steps: int
    """Control steps simulated."""
    episode: Episode | None
    """The recording, if it is of use."""
    dropped_because: str = ""
    """Why it is not: `failed`, or `completed the target`."""


def draw_chain(config: CollectionConfig, index: int) -> tuple[Chain, OperatorStyle]:
    """The subtasks, seed and operator of chain `index`."""
    generator = np.random.default_rng((_RANDOM_STREAM, config.seed, index))
    seed = int(generator.integers(2**31))
    style = replace(DEFAULT_STYLE, action_noise=float(generator.uniform(*config.noise)))
    family, task = split_task(config.task)
    targets = task.goals
    if config.split == "complete":
        return Chain(targets, seed), style
    while True:
        subtasks = tuple(generator.permutation(family.subtasks)[: family.chain_length].tolist())
        if not set(targets) <= set(subtasks):
            return Chain(subtasks, seed), style


def record_chain(config: CollectionConfig, index: int) -> RecordedChain:
    """Let the operator do chain `index` and record it. Called in the worker processes."""
    family, task = split_task(config.task)
    chain, style = draw_chain(config, index)
    environment, operator = demonstrated(
        family, EpisodeConfig(task=",".join(chain.subtasks), count="any", max_steps=config.max_steps), style
    )
    operator.start(chain.subtasks, chain.seed)
    observations, rewards = [environment.reset(chain.seed)], []
    fields = _SeenFields(environment, family.robot.observation.more_fields)
    intended, executed = [], []
    while not environment.has_ended and (action := operator.act(observations[-1])) is not None:
        result = environment.step(action)
        observations.append(result.observation)
        fields.observe()
        rewards.append(result.reward)
        intended.append(operator.intended_action)
        executed.append(action)
    completed = environment.progress.completed_at_step
    if not environment.progress.is_complete:
        return RecordedChain(index, environment.step_count, None, "failed")
    if config.split == "mixed" and set(task.goals) <= set(completed):
        return RecordedChain(index, environment.step_count, None, "completed the target")
    metadata = replace(
        robot_metadata(family.robot),
        task=chain.subtasks,
        operator="scripted",
        completed_at_step=dict(completed),
        seed=chain.seed,
        operator_style=style,
        measurement_noise=vars(environment.noise),
        mujoco_version=mujoco.__version__,
        is_success=True,
        more_fields=family.robot.observation.more_fields,
    )
    episode = Episode(
        np.array(observations),
        np.array(intended),
        np.array(executed),
        np.array(rewards),
        terminated=True,
        truncated=False,
        metadata=metadata,
        fields=fields.arrays(),
    )
    return RecordedChain(index, environment.step_count, episode)


class _SeenFields:
    """Keeps what is observed beside the state at every control step. Asks for nothing where there is nothing more."""

    def __init__(self, environment: Environment, more_fields: tuple[Field, ...]) -> None:
        self._environment = environment
        self._seen = {one: [] for one in more_fields}
        self.observe()

    def observe(self) -> None:
        """Take in what is observed now."""
        if self._seen:
            observation = self._environment.observe()
            for one, values in self._seen.items():
                values.append(np.array(observation[one.name]))

    def arrays(self) -> dict[str, np.ndarray]:
        """By name, all of it (T+1, …), vectors in single precision. Read-only, so that an Episode need not copy it."""
        arrays = {}
        for one, values in self._seen.items():
            arrays[one.name] = np.stack(values, dtype=np.float32 if one.dtype == VECTOR else None)
            arrays[one.name].flags.writeable = False
        return arrays


def demonstrated(family: TaskFamily, config: EpisodeConfig, style: OperatorStyle) -> tuple[Environment, Operator]:
    """A simulated robot and who demonstrates on it. Raises ConfigError for a family that lacks one of them."""
    environment, operator = family.environment(config), family.operator(style)
    if environment is None or operator is None:
        lacking = "simulator" if environment is None else "scripted operator"
        raise ConfigError(f"the task family {family.name} has no {lacking}. Import demonstrations: spirl demos import.")
    return environment, operator


def outcomes(config: CollectionConfig, first: int, workers: int) -> Generator[RecordedChain, None, None]:
    """Outcomes of the chains first, first + 1, … without end, in this order whatever the number of workers.

    Args:
        config: what to collect.
        first: index of the first chain.
        workers: processes; with 1, everything runs in this one. Processes and not threads, because a quarter of a
            step is Python, for which threads wait for each other.
    """
    if workers == 1:
        index = first
        while True:
            yield record_chain(config, index)
            index += 1
    # A spawned process shares nothing, so it cannot inherit a lock that another thread holds, as a forked one can.
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_follow_parent)
    try:
        pending: deque[Future[RecordedChain]] = deque()
        while True:
            while len(pending) < 2 * workers:
                pending.append(pool.submit(record_chain, config, first))
                first += 1
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _follow_parent() -> None:
    """Prepare a worker: it ends with its parent and not before.

    Ctrl-C reaches every process of the terminal; the parent ends the others when it has stored what is done. A parent
    that was killed cannot do so, and its workers would wait for it forever.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=end_with_parent, name="end_with_parent", daemon=True).start()
