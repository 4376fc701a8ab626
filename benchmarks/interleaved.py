"""Times several contestants in turn, A B C A B C …, so that a machine whose speed drifts treats them alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.figures import Figures
from benchmarks.machine import Machine


@dataclass(frozen=True)
class Rates:
    """Rates of one contestant over all rounds, and its ratio to the peer, taken round by round."""

    median: float
    lower_quartile: float
    upper_quartile: float
    ratio_median: float
    ratio_lower_quartile: float
    ratio_upper_quartile: float


@dataclass(frozen=True)
class Comparison(Figures):
    """Result of an interleaved run."""

    unit: str
    peer: str
    rates: dict[str, Rates]
    rounds: int
    machine: dict[str, object]

    def rows(self) -> list[str]:
        """A line for each contestant."""
        lines = [f"| {self.unit} | median | quartiles | ratio to {self.peer} | quartiles |", "|---|---|---|---|---|"]
        for name, rates in self.rates.items():
            lines.append(
                f"| {name} | {rates.median:.4g} | {rates.lower_quartile:.4g} to {rates.upper_quartile:.4g} "
                f"| {rates.ratio_median:.2f} | {rates.ratio_lower_quartile:.2f} to {rates.ratio_upper_quartile:.2f} |"
            )
        return lines

    def note(self) -> str:
        """How often."""
        return f"{self.rounds} interleaved rounds"


def compare(
    contestants: Mapping[str, Callable[[], int]], peer: str, unit: str, rounds: int, machine: Machine
) -> Comparison:
    """Run every contestant once per round, after a round that does not count.

    Args:
        contestants: by name, a function that does its work and returns how many units it did.
        peer: the contestant that ratios refer to.
        unit: what is counted per second.
        rounds: counted rounds, at least 2.
        machine: noted before anything was prepared.
    """
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for round_number in range(rounds + 1):
        for name, work in contestants.items():
            begin_s = time.perf_counter()
            units = work()
            duration_s = time.perf_counter() - begin_s
            if round_number > 0:
                rates[name].append(units / duration_s)
    ratios = {name: [a / b for a, b in zip(own, rates[peer], strict=True)] for name, own in rates.items()}
    return Comparison(
        unit=unit,
        peer=peer,
        rates={name: Rates(*_quartiles(rates[name]), *_quartiles(ratios[name])) for name in contestants},
        rounds=rounds,
        machine=machine.as_dict(),
    )


def _quartiles(values: list[float]) -> tuple[float, float, float]:
    lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
    return median, lower, upper
