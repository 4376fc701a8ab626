"""How long single calls take, contestants in turn, so that a machine whose speed drifts treats them alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.figures import Figures
from benchmarks.machine import Machine


@dataclass(frozen=True)
class Latency:
    """Wall time of one call [µs], and how many times faster than the peer, as a median over rounds."""

    p50_us: float
    p99_us: float
    faster_than_peer: float
    faster_lower_quartile: float
    faster_upper_quartile: float


@dataclass(frozen=True)
class LatencyComparison(Figures):
    """Result of an interleaved run."""

    peer: str
    latencies: dict[str, Latency]
    rounds: int
    calls_per_round: int
    machine: dict[str, object]

    def rows(self) -> list[str]:
        """A line for each contestant."""
        lines = [f"| one call | p50 µs | p99 µs | times faster than {self.peer} | quartiles |", "|---|---|---|---|---|"]
        for name, latency in self.latencies.items():
            lines.append(
                f"| {name} | {latency.p50_us:.1f} | {latency.p99_us:.1f} | {latency.faster_than_peer:.1f} "
                f"| {latency.faster_lower_quartile:.1f} to {latency.faster_upper_quartile:.1f} |"
            )
        return lines

    def note(self) -> str:
        """How often."""
        return f"{self.rounds} interleaved rounds of {self.calls_per_round} calls"


def compare_latencies(
    contestants: Mapping[str, Callable[[], object]], peer: str, rounds: int, calls_per_round: int, machine: Machine
) -> LatencyComparison:
    """Time every call of every contestant, a few calls of each per round, after a round that does not count.

    Args:
        contestants: by name, one call.
        peer: the contestant that ratios refer to.
        rounds: counted rounds, at least 2.
        calls_per_round: calls of each contestant in a round, at least 1.
        machine: noted before anything was prepared.
    """
    durations = {name: np.empty((rounds + 1, calls_per_round)) for name in contestants}
    for round_number in range(rounds + 1):
        for name, call in contestants.items():
            row = durations[name][round_number]
            for index in range(calls_per_round):
                begin_ns = time.perf_counter_ns()
                call()
                row[index] = time.perf_counter_ns() - begin_ns
    per_round = {name: np.median(values[1:], axis=1) for name, values in durations.items()}
    latencies = {}
    for name, values in durations.items():
        ratios = (per_round[peer] / per_round[name]).tolist()
        lower, median, upper = statistics.quantiles(ratios, n=4, method="inclusive")
        p50, p99 = np.percentile(values[1:], (50, 99)) / 1e3
        latencies[name] = Latency(float(p50), float(p99), median, lower, upper)
    return LatencyComparison(peer, latencies, rounds, calls_per_round, machine.as_dict())
