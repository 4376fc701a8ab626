"""The monitor's page as a person sees it: a real browser, real nodes."""

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("spirl_msgs")
pytest.importorskip("viser")

from sensor_msgs.msg import JointState

from benchmarks.node_processes import own_domain
from spirl_msgs.msg import Skill, SkillStatus, TrainingStatus
from spirl_msgs.srv import ResetScene, SetTask
from spirl_ros.nodes.graph.messages import COMMAND_QOS, LATCHED_QOS, stamp_ns
from tests.browser.chromium import Browser, needs_browser
from tests.nodes.conftest import Client, NodeProcess, client_in, node_processes
from tests.nodes.kitchen_bundle import PRIOR_MEAN, write_kitchen_bundle

SCENE = np.s_[150:, :540]
"""Where the page shows the scene: left of the panel, below notes."""

pytestmark = [needs_browser, pytest.mark.slow]


class Page:
    """A simulator and a monitor, a browser that looks at its page, and a client in their domain."""

    def __init__(self, client: Client, environment: dict[str, str], browser: Browser, address: str) -> None:
        self.client, self.environment, self.browser, self.address = client, environment, browser, address


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Iterator[Page]:
    """The page, once the scene is drawn, for all tests: until then a program draws for half a minute of a processor."""
    with own_domain() as environment, client_in(environment) as client, node_processes(environment) as start:
        start("mujoco_sim", max_steps=100_000)  # no episode ends by itself, however slow the browser is
        browser = Browser(tmp_path_factory.mktemp("browser") / "profile")
        monitor = start("monitor", port=20000 + os.getpid() % 20000)
        assert monitor.process.stdout is not None
        line = next(line for line in monitor.process.stdout if "the page is at" in line)
        browser.open(line.split()[-1])
        browser.wait_for(lambda: "Hz · 1 viewers" in browser.text(), "the panel")
        browser.wait_for(lambda: browser.screenshot()[SCENE].std() > 20.0, "the scene")
        yield Page(client, environment, browser, line.split()[-1])
        browser.close()


@pytest.fixture
def browser(page: Page) -> Browser:
    """Looks at the page at the beginning of an episode of the kitchen."""
    assert page.client.call(SetTask, "set_task", SetTask.Request(task="kitchen")).success
    assert page.client.call(ResetScene, "reset_scene", ResetScene.Request()).success
    return page.browser


@pytest.fixture
def client(page: Page) -> Client:
    return page.client


@pytest.fixture
def start_node(page: Page) -> Iterator[Callable[..., NodeProcess]]:
    """Starts what a test has beside the page, and ends it with the test."""
    with node_processes(page.environment) as start:
        yield start


def press_until(browser: Browser, label: str, holds: Callable[[], Any]) -> None:
    """Press, and again only where the page says that nobody has answered: a call that got lost is not made twice."""

    def press() -> bool:
        browser.click(label)
        end_s = time.monotonic() + 20.0
        while not (came := holds()) and time.monotonic() < end_s:
            time.sleep(0.1)
        assert came or "no answer from" in browser.text(), browser.text()
        return came

    browser.wait_for(press, f"what {label} leads to")


def is_ticked(browser: Browser, subtask: str) -> bool:
    return browser.evaluate(f"!!document.querySelector('[data-subtask={subtask}][data-done=true]')")


def test_page_shows_the_scene_ticks_subtasks_and_asks_nobody_else(page, browser, start_node, record_property) -> None:
    before = browser.screenshot()[SCENE].astype(int)
    assert not is_ticked(browser, "microwave")
    start_node("scripted_operator")
    frames, since_s = browser.frames, time.monotonic()
    browser.wait_for(lambda: is_ticked(browser, "microwave"), "a tick")
    # A figure, not a limit: on a busy machine it says how busy that is.
    record_property("page: messages received [Hz]", (browser.frames - frames) / (time.monotonic() - since_s))
    assert browser.frames > frames
    after = browser.screenshot()[SCENE].astype(int)
    changed = (np.abs(after - before).max(axis=-1) > 40).mean()
    assert 0.005 < changed < 0.5  # the arm and a door, not the kitchen
    browser.press("p")
    browser.wait_for(lambda: "scripted_operator rests" in browser.text(), "the pause")
    browser.wait_for(lambda: "Continue" in browser.text(), "the other label of the button")
    browser.click("Continue")
    browser.wait_for(lambda: "scripted_operator goes on" in browser.text(), "the end of the pause")
    own = own_addresses(page.address)
    foreign = [request[:80] for request in browser.requests if not request.startswith(own)]
    assert foreign == [] and any(request.startswith("ws://") for request in browser.requests)
    assert browser.complaints == []


def own_addresses(url: str) -> tuple[str, ...]:
    return (url, url.replace("http://", "ws://"), "data:", "blob:" + url, "about:")


def test_emergency_stop_stops_the_arm_and_shows_it(browser, client, start_node, tmp_path) -> None:
    executor = start_node("skill_executor", bundle=write_kitchen_bundle(tmp_path / "bundle"))
    skills = client.create_publisher(Skill, "skill", COMMAND_QOS)
    statuses = client.collect(SkillStatus, "skill_status", LATCHED_QOS)
    states = client.collect(JointState, "joint_states")
    client.wait_for(lambda: statuses and not statuses[-1].reason and states, "an executor that is ready")
    skill_id = 0

    def move() -> float:
        """Keep the arm busy, and say how fast it is."""
        nonlocal skill_id
        if statuses[-1].state == SkillStatus.IDLE:
            skill_id += 1
            skills.publish(Skill(skill_id=skill_id, latent=[0.5 * (-1) ** skill_id, 0.4], source=Skill.SOURCE_MANUAL))
        client.spin_for(0.1)
        return np.abs(states[-1].velocity).max()

    def stands() -> bool:
        """Whether the last half second of the simulator's states is one place: servos swing before they rest."""
        move()
        newest_ns = stamp_ns(states[-1].header.stamp)
        positions = [state.position for state in states if stamp_ns(state.header.stamp) > newest_ns - 500_000_000]
        return np.ptp(positions, axis=0).max() < 0.005

    client.wait_for(lambda: move() > 0.05, "motion")
    browser.wait_for(lambda: move() and f"skill {skill_id} by hand" in browser.text(), "the skill on the page")
    browser.wait_for(lambda: move() and "Hz\nstep begins late" in browser.text(), "the gauges")
    browser.click("Emergency stop")
    client.wait_for(lambda: statuses[-1].state == SkillStatus.LATCHED, "the latch")
    client.wait_for(stands, "rest")
    at_rest = np.array(states[-1].position)
    browser.wait_for(lambda: "latched" in browser.text(), "the latch on the page")
    assert "stopped by a service call" in browser.text()
    for _ in range(5):
        move()
    assert np.abs(np.array(states[-1].position) - at_rest).max() < 0.02
    browser.click("Release the latch")
    client.wait_for(lambda: statuses[-1].state == SkillStatus.IDLE, "the end of the latch")
    client.wait_for(lambda: move() > 0.05, "motion again")
    # With a dropdown the focus stayed in its text field, and X was a letter.
    press_until(browser, "kettle", lambda: move() and "has begun" in browser.text())
    browser.press("x")
    client.wait_for(lambda: statuses[-1].state == SkillStatus.LATCHED, "the latch by the keyboard")
    executor.kill()
    browser.wait_for(lambda: "executor silent" in browser.text() and "s ago" in browser.text(), "the silence")
    shown = browser.evaluate("[...document.querySelectorAll('.gauge')].map(gauge => gauge.innerText).join()")
    assert "joint state age" not in shown and browser.complaints == []


def test_policy_is_switched_paused_and_its_failure_told(browser, client, start_node, tmp_path) -> None:
    """A control flipped back, Continue began nothing, and a task of no policy was answered with success alone."""
    bundle = write_kitchen_bundle(tmp_path / "bundle", policy="works")
    start_node("skill_executor", bundle=bundle, max_age_s=1.0, max_missed=100)
    policy = start_node("skill_policy", bundle=bundle, patience_s=20.0)
    skills = client.collect(Skill, "skill", COMMAND_QOS)

    def come_from(source: int) -> bool:
        client.spin_for(0.1)
        return bool(skills) and skills[-1].source == source

    browser.wait_for(lambda: "✔ policy" in browser.text(), "the policy")
    browser.press("g")
    browser.wait_for(lambda: come_from(Skill.SOURCE_POLICY), "its skills")
    browser.wait_for(lambda: "by the policy" in browser.text(), "its skills on the page")
    browser.click("prior")
    browser.wait_for(lambda: "✔ prior" in browser.text(), "the mark")
    browser.wait_for(lambda: come_from(Skill.SOURCE_PRIOR) or "✔ policy" in browser.text(), "skills of the prior")
    assert "✔ prior" in browser.text()
    browser.wait_for(lambda: "Endless episodes begin" in browser.text(), "the answer")
    assert np.abs(np.array(skills[-1].latent) - PRIOR_MEAN).max() > 1e-4  # a sample
    browser.press("p")
    browser.press("p")
    browser.wait_for(lambda: "skill_policy goes on. Endless episodes begin" in browser.text(), "pause and its end")
    browser.click("policy")
    said = "chooses skills by the policy", "no answer from"
    browser.wait_for(lambda: any(text in browser.text() for text in said), "the policy again")
    if "no answer from" in browser.text():  # what was begun before does not begin again then
        browser.press("g")
    skills.clear()
    browser.wait_for(lambda: come_from(Skill.SOURCE_POLICY), "its skills again")
    reason = "skill_policy stopped after 0 episodes: the task is top_burner, but the policy was trained for"
    press_until(browser, "top_burner", lambda: reason in browser.text())
    browser.wait_for(lambda: browser.text().count("the task is top_burner") > 1, "the diagnostics")
    code, output = policy.end()
    assert code == 0 and output.count("ERROR") == 1 and "ended after 0 episodes" in output
    assert browser.complaints == []


def test_training_curves_appear_with_the_training(browser, client, start_node) -> None:
    trainings = client.create_publisher(TrainingStatus, "training_status", LATCHED_QOS)
    assert "collecting" not in browser.text()
    for step in range(1, 4):
        trainings.publish(TrainingStatus(env_steps=100 * step, updates=step, completed_in_order=0.5 * step))
        client.spin_for(1.0)
    browser.wait_for(lambda: "collecting" in browser.text() and "300 steps" in browser.text(), "the training")
    drawn = "[...document.querySelectorAll('svg.chart polyline')].map(line => line.points.numberOfItems)"
    browser.wait_for(lambda: browser.evaluate(drawn) == [3] * 7, "its curves")  # two charts have two curves
    assert browser.complaints == []
