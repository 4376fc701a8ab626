"""Runs a scripted operator through many chains of subtasks and reports how well each subtask goes."""

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from spirl_ros.demonstrations.collection import Chain, demonstrated
from spirl_ros.demonstrations.operator_style import DEFAULT_STYLE, OperatorStyle
from spirl_ros.tasks.task import EpisodeConfig, TaskFamily

_RANDOM_STREAM = 11
"""Mixed into a chain's seed, so that its choice of subtasks is independent of the episode's noise."""


@dataclass(frozen=True)
class ChainResult:
    """How one chain went."""

    chain: Chain
    started_at_step: dict[str, int]
    """Control step at which the operator began each subtask it came to; one already done is not begun."""
    completed_at_step: dict[str, int]
    """Control step at which each subtask was first done, others than the chain's included."""
    steps: int
    """Control steps of the episode."""

    @property
    def is_complete(self) -> bool:
        """Whether all subtasks of the chain were done at some time."""
        return all(subtask in self.completed_at_step for subtask in self.chain.subtasks)


def random_chains(family: TaskFamily, count: int, seed: int) -> list[Chain]:
    """Chains of distinct subtasks in random order, as long as the family's; chain i has seed `seed + i`."""
    return [
        Chain(
            tuple(
                np.random.default_rng((_RANDOM_STREAM, s)).permutation(family.subtasks)[: family.chain_length].tolist()
            ),
            s,
        )
        for s in range(seed, seed + count)
    ]


def ordered_pairs(family: TaskFamily, repetitions: int, seed: int) -> list[Chain]:
    """Each subtask after each other one, every pair `repetitions` times with another seed."""
    pairs = list(itertools.permutations(family.subtasks, 2)) * repetitions
    return [Chain(pair, seed + i) for i, pair in enumerate(pairs)]


def run_chain(family: TaskFamily, chain: Chain, style: OperatorStyle = DEFAULT_STYLE) -> ChainResult:
    """Run one episode until the chain is complete, time is up or the operator has nothing left to do."""
    environment, operator = demonstrated(family, EpisodeConfig(task=",".join(chain.subtasks), count="any"), style)
    observation = environment.reset(chain.seed)
    operator.start(chain.subtasks, chain.seed)
    started_at_step: dict[str, int] = {}
    while not environment.has_ended:
        action = operator.act(observation)
        if action is None:
            break
        if operator.current_subtask is not None:
            started_at_step.setdefault(operator.current_subtask, environment.step_count)
        observation = environment.step(action).observation
    return ChainResult(chain, started_at_step, environment.progress.completed_at_step, environment.step_count)


def run_chains(
    family: TaskFamily,
    chains: Sequence[Chain],
    style: OperatorStyle = DEFAULT_STYLE,
    *,
    workers: int = 1,
    on_result: Callable[[ChainResult], None] = lambda result: None,
) -> list[ChainResult]:
    """Run many chains side by side; results come in the chains' order and do not depend on `workers`.

    Args:
        family: whose operators do them.
        chains: what to run.
        style: how the operators vary.
        workers: threads.
        on_result: called after each chain from the thread that ran it.
    """

    def run(chain: Chain) -> ChainResult:
        result = run_chain(family, chain, style)
        on_result(result)
        return result

    with ThreadPoolExecutor(workers, thread_name_prefix="operator") as pool:
        return list(pool.map(run, chains))


@dataclass(frozen=True)
class OperatorReport:
    """What the results of many chains say together."""

    subtasks: Sequence[str]
    """Of the family, in the order of tables."""
    results: Sequence[ChainResult]
    duration_s: float
    """Wall-clock time that all of them took together."""

    def as_dict(self) -> dict:
        """All figures; shares are from 0 to 1, steps are control steps, None where there is nothing to average."""
        complete = [result for result in self.results if result.is_complete]
        chain_steps = [max(result.completed_at_step[s] for s in result.chain.subtasks) for result in complete]
        steps = sum(result.steps for result in self.results)
        return {
            "chains": len(self.results),
            "completed": len(complete) / len(self.results),
            **_steps_summary(chain_steps),
            "env_steps_per_s": steps / self.duration_s,
            "per_subtask": {subtask: self._subtask_summary(subtask) for subtask in self.subtasks},
            "failed": [
                {"seed": result.chain.seed, "subtasks": result.chain.subtasks, "completed": result.completed_at_step}
                for result in self.results
                if not result.is_complete
            ],
        }

    def table(self) -> str:
        """The same for people."""
        figures = self.as_dict()
        lines = [f"{'subtask':<16}{'attempts':>10}{'success':>10}{'steps':>8}{'p90':>6}"]
        whole = {**figures, "attempts": figures["chains"], "success": figures["completed"]}
        for name, row in [*figures["per_subtask"].items(), ("whole chains", whole)]:
            if row["attempts"]:
                lines.append(
                    f"{name:<16}{row['attempts']:>10}{row['success']:>10.1%}"
                    f"{_rounded(row['steps_mean']):>8}{_rounded(row['steps_p90']):>6}"
                )
        lines += [
            f"seed {failure['seed']} failed: {', '.join(failure['subtasks'])}; "
            f"done at step: {', '.join(f'{name} {step}' for name, step in failure['completed'].items()) or 'nothing'}"
            for failure in figures["failed"]
        ]
        lines.append(f"{figures['env_steps_per_s']:.0f} environment steps/s")
        return "\n".join(lines)

    def _subtask_summary(self, subtask: str) -> dict:
        begun = [result for result in self.results if subtask in result.started_at_step]
        steps = [
            result.completed_at_step[subtask] - result.started_at_step[subtask]
            for result in begun
            if subtask in result.completed_at_step
        ]
        return {
            "attempts": len(begun),
            "success": len(steps) / len(begun) if begun else None,
            **_steps_summary(steps),
        }


def _steps_summary(steps: Sequence[int]) -> dict:
    return {
        "steps_mean": float(np.mean(steps)) if steps else None,
        "steps_p90": float(np.percentile(steps, 90)) if steps else None,
    }


def _rounded(steps: float | None) -> str:
    return "-" if steps is None else f"{steps:.0f}"
