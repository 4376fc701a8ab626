"""The page in a real browser, without nodes: what its buttons and keys ask for."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("viser")

from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.kitchen.subtasks import SUBTASKS, TASKS
from spirl_ros.monitoring.orders import PAUSE, RELEASE, RESET, RESUME, SOURCE, START, STOP, TASK, Order
from spirl_ros.monitoring.page import MonitorPage
from spirl_ros.monitoring.views import GraphView, SkillView
from tests.browser.chromium import Browser, needs_browser
from tests.tasks.small_family import SMALL

LATCHED = GraphView(skill=SkillView("latched", 1, 3, 10, (), "kitchen", "stopped"), state_age_s=0.0)

SCENE = replace(SMALL.view(), tasks=KITCHEN.view().tasks)
"""Drawn in a moment, with the kitchen's tasks."""

pytestmark = [needs_browser, pytest.mark.slow]


class Shown:
    """The page of a latched arm with a policy, looked at with a browser."""

    def __init__(self, folder: Path) -> None:
        self.orders: list[Order] = []
        self.page = MonitorPage("127.0.0.1", 0, SCENE, self.orders.append, lambda: None)
        self.page.show(LATCHED)
        self.page.show_source("policy")
        self.browser = Browser(folder)
        self.browser.open(self.page.url)
        self.browser.wait_for(lambda: "Skills by" in self.browser.text(), "the panel")

    def ordered(self) -> Order:
        """What was asked for, once."""
        self.browser.wait_for(lambda: self.orders, "an order")
        (order,) = self.orders
        self.orders.clear()
        return order

    def close(self) -> None:
        self.browser.close()
        self.page.close()


@pytest.fixture(scope="module")
def shown(tmp_path_factory) -> Iterator[Shown]:
    shown = Shown(tmp_path_factory.mktemp("browser") / "profile")
    yield shown
    shown.close()


def test_every_button_is_reached_by_tab_and_pressed_by_enter(shown) -> None:
    browser, labels = shown.browser, []
    for _ in range(60):
        browser.press("Tab")
        assert browser.evaluate("document.activeElement.tagName") not in ("INPUT", "TEXTAREA", "SELECT")
        label = browser.evaluate("document.activeElement.innerText?.trim() ?? ''")
        if label in labels:
            continue
        labels.append(label)
        if label == "Release the latch":
            browser.press("Enter")
            assert shown.ordered() == Order(RELEASE)
        elif label == "kettle":
            browser.press("Enter")
            assert shown.ordered() == Order(TASK, "kettle")
    buttons = ["Emergency stop (X)", "Release the latch", "Pause/end (P)", "Start (G)", "Reset (R)"]
    wanted = [*buttons, "✔ policy", "prior", *TASKS, *SUBTASKS]
    assert [label for label in labels if label in wanted] == wanted  # in the order of the page
    assert browser.complaints == []


def test_every_key_asks_for_what_it_stands_for(shown) -> None:
    for key, order in (("g", START), ("r", RESET), ("p", PAUSE), ("x", STOP)):
        shown.browser.press(key)
        assert shown.ordered() == Order(order)
    shown.browser.press("p")
    assert shown.ordered() == Order(RESUME)  # before the page has shown that it rests
    shown.page.show_paused(True)
    shown.browser.wait_for(lambda: "Continue (P)" in shown.browser.text(), "the other label")
    shown.browser.press("p")
    assert shown.ordered() == Order(RESUME)
    shown.page.show_paused(False)


def test_emergency_stop_has_its_key_after_anything_was_chosen(shown) -> None:
    """The focus stayed in the text field of a dropdown, where X is a letter."""
    for label, order in (("kettle", Order(TASK, "kettle")), ("prior", Order(SOURCE, "prior"))):
        shown.browser.click(label)
        assert shown.ordered() == order
        shown.browser.press("x")
        assert shown.ordered() == Order(STOP)


def test_click_asks_for_what_was_clicked_whatever_the_page_shows_meanwhile(shown) -> None:
    """The value was read late: a click on prior asked for the policy once, as diagnostics had just told it."""
    for clicked, other in (("prior", "policy"), ("policy", "prior"), ("prior", "policy")):
        shown.page.show_source(other)
        shown.browser.click(clicked)
        for _ in range(20):
            shown.page.show_source(other)
            time.sleep(0.005)
        assert shown.ordered() == Order(SOURCE, clicked)
    shown.page.show_source("prior")
    shown.browser.wait_for(lambda: "✔ prior" in shown.browser.text(), "the mark")
    shown.browser.click("✔ prior")  # chooses already
    shown.browser.press("x")
    assert shown.ordered() == Order(STOP)
    shown.page.show_source("policy")


def test_emergency_stop_stays_in_view_however_far_the_panel_is_scrolled(shown) -> None:
    """It scrolled out of view with the rest."""
    top = """(() => {
        const button = [...document.querySelectorAll("button")].find(
            (b) => b.innerText.trim() === "Emergency stop (X)");
        const panel = button.closest(".mantine-ScrollArea-viewport");
        panel.scrollTo(0, 10000);
        return [panel.scrollTop, button.getBoundingClientRect().top - panel.getBoundingClientRect().top];
    })()"""
    scrolled_px, below_px = shown.browser.evaluate(top)
    assert scrolled_px > 50 and 0 <= below_px < 15


def test_lost_connection_is_said_and_found_again(tmp_path: Path) -> None:
    """When the graph ended the page went grey without a word."""
    page = MonitorPage("127.0.0.1", 0, None, lambda _: None, lambda: None)
    page.show(LATCHED)
    port = int(page.url.rpartition(":")[2])
    browser = Browser(tmp_path / "profile")
    try:
        browser.open(page.url)
        browser.wait_for(lambda: "Emergency stop" in browser.text(), "the panel")
        assert "Connection lost" not in browser.text()
        page.close()
        browser.wait_for(lambda: "Connection lost at" in browser.text(), "the word")
        page = MonitorPage("127.0.0.1", port, None, lambda _: None, lambda: None)
        assert page.url.endswith(f":{port}")
        browser.wait_for(lambda: "Connection lost" not in browser.text(), "the connection")
    finally:
        browser.close()
        page.close()
