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

from spirl_ros.control.velocity_action import KITCHEN_VELOCITY_SCALE
from spirl_ros.demonstrations.episode import Episode, EpisodeMetadata
from spirl_ros.demonstrations.kitchen_operator import KitchenOperator
from spirl_ros.demonstrations.operator_report import CHAIN_LENGTH, Chain
from spirl_ros.demonstrations.operator_style import DEFAULT_STYLE, OperatorStyle
from spirl_ros.errors import ConfigError
from spirl_ros.tasks.kitchen.environment import KitchenConfig, KitchenEnvironment
from spirl_ros.tasks.kitchen.scene import CONTROL_PERIOD_S, KitchenScene, load_kitchen_scene
from spirl_ros.tasks.kitchen.subtasks import SUBTASKS, target_subtasks

SPLITS = {
    "mixed": "random chains of four; no episode completes all target subtasks of the task",
    "complete": "the target subtasks of the task, in order",
}
"""Which chains are drawn, after D4RL's names."""

_RANDOM_STREAM = 13
"""Mixed into a chain's seed, so that what is drawn here is independent of the episode's and the operator's noise."""


@dataclass(frozen=True)
class CollectionConfig:
    """What to collect. Chain i depends on these values and on i alone."""

    task: str = "kitchen"
    """Task whose target subtasks the split is about."""
    split: str = "mixed"
    """Which chains are drawn, one of SPLITS."""
    seed: int = 0
    """Decides everything random."""
    noise: tuple[float, float] = (0.05, 0.25)
    """Range that each episode's injected noise is drawn from: standard deviation on the arm's actions, between the
    intended and the executed one (DART, Laskey et al. 2017); (0, 0) for none."""
    max_steps: int = 280
    """Control steps until the chain counts as failed."""

    def __post_init__(self) -> None:
        """Check the values."""
        target_subtasks(self.task)
        if self.split not in SPLITS:
            raise ConfigError(f"split is '{self.split}', expected one of {', '.join(SPLITS)}.")
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}, expected 0 or more.")
        smallest, largest = self.noise
        if not 0.0 <= smallest <= largest < np.inf:
            raise ConfigError(f"noise is {smallest} to {largest}, expected 0 <= smallest <= largest.")


@dataclass(frozen=True)
class Outcome:
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
    targets = target_subtasks(config.task)
    if config.split == "complete":
        return Chain(targets, seed), style
    while True:
        subtasks = tuple(generator.permutation(SUBTASKS)[:CHAIN_LENGTH].tolist())
        if not set(targets) <= set(subtasks):
            return Chain(subtasks, seed), style


def record_chain(config: CollectionConfig, index: int) -> Outcome:
    """Let the operator do chain `index` and record it. Called in the worker processes."""
    chain, style = draw_chain(config, index)
    scene = load_kitchen_scene()
    environment = KitchenEnvironment(
        KitchenConfig(task=",".join(chain.subtasks), count="any", max_steps=config.max_steps), scene
    )
    operator = KitchenOperator(scene, style)
    operator.start(chain.subtasks, chain.seed)
    observations, rewards = [environment.reset(chain.seed)], []
    intended, executed = [], []
    while not environment.has_ended and (action := operator.act(observations[-1])) is not None:
        result = environment.step(action)
        observations.append(result.observation)
        rewards.append(result.reward)
        intended.append(operator.intended_action)
        executed.append(action)
    completed = environment.progress.completed_at_step
    if not environment.progress.is_complete:
        return Outcome(index, environment.step_count, None, "failed")
    if config.split == "mixed" and set(target_subtasks(config.task)) <= set(completed):
        return Outcome(index, environment.step_count, None, "completed the target")
    metadata = replace(
        kitchen_metadata(scene),
        task=chain.subtasks,
        operator="scripted",
        completed_at_step=dict(completed),
        seed=chain.seed,
        operator_style=style,
        measurement_noise=vars(environment.config.noise),
        mujoco_version=mujoco.__version__,
        is_success=True,
    )
    episode = Episode(
        np.array(observations),
        np.array(intended),
        np.array(executed),
        np.array(rewards),
        terminated=True,
        truncated=False,
        metadata=metadata,
    )
    return Outcome(index, environment.step_count, episode)


def kitchen_metadata(scene: KitchenScene) -> EpisodeMetadata:
    """What holds for every episode in the kitchen; task and operator are left empty."""
    slides = scene.model.jnt_type[: scene.joint_count] == int(mujoco.mjtJoint.mjJNT_SLIDE)
    return EpisodeMetadata(
        task=(),
        operator="",
        control_rate_hz=1.0 / CONTROL_PERIOD_S,
        observation_names=scene.joint_names + scene.scene_names,
        joint_names=scene.joint_names,
        joint_units=tuple("m" if is_slide else "rad" for is_slide in slides),
        action_scale=KITCHEN_VELOCITY_SCALE,
    )


def outcomes(config: CollectionConfig, first: int, workers: int) -> Generator[Outcome, None, None]:
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
        pending: deque[Future[Outcome]] = deque()
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
