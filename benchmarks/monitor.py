"""What the web page costs while nobody looks and while a browser does, and how often the scene on it is renewed.

The graph is that of `make demo`, in real time: a policy moves the arm. The browser is a headless Chromium.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.figures import Figures
from benchmarks.machine import Machine
from benchmarks.node_processes import node_command, own_domain, processor_time_s, running
from spirl_ros.errors import SpirlError

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
MOST_UNWATCHED_PERCENT, MOST_WATCHED_PERCENT = 2.0, 15.0
"""Targets of the processor time, in percent of one core."""
LEAST_RATE_HZ = 30.0
"""Target of the scene's updates."""
_SETTLE_S = 5.0
"""After a viewer came, or the graph started, before anything counts [s]: meshes are sent then."""
_PATIENCE_S = 120.0
_RATE, _VIEWERS, _PAGE = "page rate [Hz]", "viewers", "page"
BROWSER_OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--remote-debugging-port=0",
)
"""Of a Chromium without a screen, in which a program draws in place of a graphics card."""
_WINDOW = "--window-size=960,600"
"""Few pixels, because drawing them takes the cores that are measured on."""


class Cost(NamedTuple):
    """Of the monitor's process over a time."""

    cpu_percent: float
    """Of one core."""
    rate_hz: float
    """Pictures of the scene sent per second, as the node counts them; 0 while nobody looks."""
    load: float
    """Of the machine at the end, over a minute."""


@dataclass(frozen=True)
class MonitorFigures(Figures):
    """The result."""

    seconds: float
    """How long each row was measured [s]."""
    unwatched: Cost
    watched: Cost | None
    """With one viewer; None where there is no browser."""
    machine: dict[str, object]

    def rows(self) -> list[str]:
        """One table, with the targets and how near they are."""
        lines = [
            f"| the page, over {self.seconds:g} s each | measured | target | share of the target | load |",
            "|---|---|---|---|---|",
            _cpu_row("no viewer", self.unwatched, MOST_UNWATCHED_PERCENT),
        ]
        if self.watched is not None:
            rate_hz = self.watched.rate_hz
            lines += [
                _cpu_row("one viewer", self.watched, MOST_WATCHED_PERCENT),
                f"| one viewer: updates of the scene | {rate_hz:.1f} Hz | at least {LEAST_RATE_HZ:g} Hz "
                f"| {rate_hz / LEAST_RATE_HZ:.2f} | {self.watched.load:.1f} |",
            ]
        return lines

    def note(self) -> str:
        """What is missing."""
        if self.watched is not None:
            return ""
        return f"a viewer's cost is left out: no {', '.join(BROWSERS)} here (apt install chromium)"


def _cpu_row(who: str, cost: Cost, most_percent: float) -> str:
    return (
        f"| {who}: processor time | {cost.cpu_percent:.1f} % of a core | at most {most_percent:g} % "
        f"| {cost.cpu_percent / most_percent:.2f} | {cost.load:.1f} |"
    )


def measure_monitor(bundle: Path, seconds: float) -> MonitorFigures:
    """Run everything.

    Args:
        bundle: with a policy for the kitchen, which moves the arm.
        seconds: how long to measure without a viewer, and again with one; at least 1.

    Raises:
        SpirlError: a node does not start, or ends by itself.
    """
    machine = Machine("viser", "mjviser", "mujoco", "ros-rclpy")
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    watched = None
    with _graph(bundle) as page:
        address = page.wait_for(lambda values: values.get(_VIEWERS) == "0", "the page")[_PAGE]
        unwatched = page.measure(seconds)
        if browser is not None:
            with _viewer(browser, address):
                page.wait_for(lambda values: values.get(_VIEWERS) == "1", "a viewer")
                watched = page.measure(seconds)
    return MonitorFigures(seconds, unwatched, watched, machine.as_dict())


class _Page:
    """A graph with a monitor, and what that says of itself."""

    def __init__(self, nodes: dict[str, subprocess.Popen], probe: subprocess.Popen) -> None:
        self._nodes, self._probe = nodes, probe

    def wait_for(self, condition: Callable[[dict[str, str]], bool], what: str) -> dict[str, str]:
        """The first report that fulfils a condition."""
        end_s = time.monotonic() + _PATIENCE_S
        for values in self._reports():
            if condition(values):
                return values
            if time.monotonic() > end_s:
                break
        raise SpirlError(f"waited in vain for {what}. {self._ended() or 'Does the page start? Try: make demo'}")

    def measure(self, seconds: float) -> Cost:
        """What the monitor uses from a little later on."""
        time.sleep(_SETTLE_S)
        process = self._nodes["monitor"]
        begin_s, used_s, past_s, rates_hz = time.monotonic(), processor_time_s(process.pid), 0.0, []
        for values in self._reports():
            past_s = time.monotonic() - begin_s
            if past_s >= 1.0:  # reports before tell of an earlier second, or had waited to be read
                rates_hz.append(float(values.get(_RATE, 0.0)))
            if past_s >= seconds:
                break
        if ended := self._ended():
            raise SpirlError(ended)
        percent = 100.0 * (processor_time_s(process.pid) - used_s) / past_s
        return Cost(percent, float(np.mean(rates_hz)), round(os.getloadavg()[0], 2))

    def _reports(self) -> Iterator[dict[str, str]]:
        assert self._probe.stdout is not None
        for line in self._probe.stdout:
            if line.startswith("{"):
                yield json.loads(line)
        raise SpirlError(f"the monitor says nothing on /diagnostics. {self._ended() or 'Try: make demo'}")

    def _ended(self) -> str:
        names = [name for name, process in self._nodes.items() if process.poll() is not None]
        return f"{', '.join(names)} ended by itself. Try: make demo" if names else ""


@contextmanager
def _graph(bundle: Path) -> Iterator[_Page]:
    """The nodes of `make demo` and a listener; all end with the block."""
    # Nothing here is about how late states are on a busy machine: the arm has to move, that is all.
    nodes: dict[str, dict[str, object]] = {
        "mujoco_sim": {"discovery_s": 0.0},
        "skill_executor": {"bundle": bundle, "max_age_s": 1.0, "max_missed": 100, "discovery_s": 0.0},
        "skill_policy": {"bundle": bundle, "start": "at_once", "patience_s": _PATIENCE_S, "start_s": _PATIENCE_S},
        "monitor": {},
    }
    probe = [sys.executable, "-m", "spirl_ros.nodes.graph.diagnostics_probe", "monitor"]
    with ExitStack() as stack:
        environment = stack.enter_context(own_domain())
        processes = {
            name: stack.enter_context(running(node_command(name, parameters), environment))
            for name, parameters in nodes.items()
        }
        yield _Page(processes, stack.enter_context(running(probe, environment, subprocess.PIPE)))


@contextmanager
def _viewer(browser: str, address: str) -> Iterator[None]:
    """A browser with an empty profile that looks at a page; it ends with the block."""
    with tempfile.TemporaryDirectory(prefix="spirl_bench_", ignore_cleanup_errors=True) as folder:
        command = [browser, *BROWSER_OPTIONS, _WINDOW, f"--user-data-dir={folder}", address]
        with running(command, end=subprocess.Popen.terminate):
            yield
