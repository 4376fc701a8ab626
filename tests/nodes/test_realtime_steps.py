"""What a control step that comes late makes of it, without ROS: the loop, the arm and the thread are fakes."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("spirl_msgs")

from spirl_ros.control.control_loop import LoopState, Tick
from spirl_ros.nodes.executor.control_steps import RealtimeSteps

PERIOD_S, NOW_S = 0.05, 100.0


class Loop:
    """Notes how many periods it was told to have missed."""

    state, skills = LoopState.IDLE, SimpleNamespace()
    is_busy = True

    def __init__(self, is_moving: bool) -> None:
        self.arm = SimpleNamespace(is_moving=is_moving)
        self.observation = SimpleNamespace(measured_ns=-1)
        self.missed: list[float] = []

    def step(self, now_s: float, missed: float) -> Tick:
        self.missed.append(missed)
        return Tick(None, self.state, "")


class Steps(RealtimeSteps):
    """One that is late by so much, after so many missed periods, on an arm that has braked for so long."""

    def __init__(self, late_s: float, missed: int, *, braked_s: float | None, takes_positions: bool, is_moving: bool):
        self.loop: Any = Loop(is_moving)
        self.command_topic: Any = SimpleNamespace(
            takes_positions=takes_positions, braked_s=lambda: braked_s, silent_s=0.0, early_s=0.0, has_sent=True,
            show_life=lambda: None,
        )  # fmt: skip
        node: Any = SimpleNamespace(get_parameter=lambda _: SimpleNamespace(value=False))
        config: Any = SimpleNamespace(realtime_priority=0, max_age_s=0.15)
        super().__init__(
            self.loop, self.command_topic, threading.RLock(), lambda: "", node, config, PERIOD_S, lambda: None, print
        )
        self.delays: list[float] = []
        self._thread: Any = SimpleNamespace(
            due_s=NOW_S - late_s, missed=missed, is_stopping=False, delay=self.delays.append
        )

    def time_s(self) -> float:
        return NOW_S


@pytest.fixture(autouse=True)
def no_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spirl_ros.nodes.executor.control_steps.StepRecord.of", lambda *_: None)


@pytest.mark.parametrize(
    ("braked_s", "takes_positions", "is_moving", "missed", "is_delayed"),
    [
        # An arm that follows trajectories brakes by itself from when the command was due: the beat waits for it.
        (None, False, True, 1.0 + 0.02 / PERIOD_S, True),
        # One that takes set-points holds the last one: whole periods count, and the beat goes on.
        (None, True, True, 1.0, False),
        # It is known for how long the arm has braked.
        (0.01, False, True, 0.01 / PERIOD_S, True),
        (0.0, False, True, 0.0, False),
        (0.0, False, False, 1.0, False),
    ],
)
def test_late_step_goes_on_from_where_the_arm_is_by_then(
    braked_s: float | None, takes_positions: bool, is_moving: bool, missed: float, is_delayed: bool
) -> None:
    steps = Steps(0.02, 1, braked_s=braked_s, takes_positions=takes_positions, is_moving=is_moving)
    steps._on_period()
    assert steps.loop.missed == [pytest.approx(missed)]
    assert steps.delays == ([pytest.approx(0.02)] if is_delayed else [])


def test_way_to_rest_begins_with_the_next_period(monkeypatch: pytest.MonkeyPatch) -> None:
    steps, done = Steps(0.0, 0, braked_s=None, takes_positions=True, is_moving=True), []
    monkeypatch.setattr("spirl_ros.nodes.executor.control_steps.time.sleep", done.append)
    steps.command_topic.early_s, steps.loop.state = 0.03, LoopState.BRAKING

    def step(now_s: float, missed: float) -> Tick:
        done.append("step")
        steps.loop.state = LoopState.LATCHED
        return Tick(None, steps.loop.state, "")

    steps.loop.step = step
    steps.brake_to_rest(wait=lambda: done.append("wait"))
    assert done == [0.03, "step", "wait"]


def test_step_that_is_in_time_misses_nothing() -> None:
    steps = Steps(0.0, 0, braked_s=None, takes_positions=False, is_moving=True)
    steps._on_period()
    assert steps.loop.missed == [0.0] and steps.delays == []


def test_step_waits_for_the_state_of_an_arm_that_is_silent() -> None:
    """What is heard while it waits is what ends the wait."""
    steps = Steps(0.0, 0, braked_s=None, takes_positions=False, is_moving=True)
    topic, heard = steps.command_topic, []

    def hear(stamp_ns: int, received_s: float) -> None:
        heard.append(stamp_ns)
        if len(heard) == 3:
            topic.silent_s = 0.0

    topic.hear, topic.silent_s = hear, 0.04
    steps.loop.observation = SimpleNamespace(measured_ns=7, age_s=lambda _: 0.04)
    steps._on_period()
    assert heard[:3] == [7, 7, 7] and steps.loop.missed == [0.0]
