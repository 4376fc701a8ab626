"""A headless Chromium that a test looks at a page with, spoken to by the DevTools protocol."""

import base64
import itertools
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from websockets.sync.client import connect

from benchmarks.monitor import BROWSER_OPTIONS, BROWSERS

DEADLINE_S = 120.0
"""How long anything may take on a busy machine, where a program draws in place of a graphics card."""

BROWSER = next((found for name in BROWSERS if (found := shutil.which(name))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="Chromium is not installed here")

_OPTIONS = (*BROWSER_OPTIONS, "--disable-quic", "--remote-allow-origins=*")

_PLACE = """(async () => {
    const find = () => [...document.querySelectorAll('button')].find(b => b.innerText.trim().startsWith(%s));
    const frame = () => new Promise(requestAnimationFrame);
    find()?.scrollIntoView({block: 'center'});
    const before = find()?.getBoundingClientRect();
    await frame(); await frame();
    const button = find(), box = button?.getBoundingClientRect();
    if (!before || !box || box.x !== before.x || box.y !== before.y) return null;
    const x = box.x + box.width / 2, y = box.y + box.height / 2;
    if (!button.contains(document.elementFromPoint(x, y))) return null;
    window.clickedLabel = null;
    const note = event => { window.clickedLabel = event.target.closest('button')?.innerText.trim(); };
    document.addEventListener('click', note, {once: true, capture: true});
    return {x, y};
})()"""
"""Where a button is that has not moved for two frames and that nothing covers; notes what is clicked next."""

_DOMAINS = ("Page", "Runtime", "Network", "Log")


class Browser:
    """A browser with one page. Everything that the page requested and complained about is kept."""

    def __init__(self, folder: Path, width: int = 960, height: int = 600) -> None:
        """Start it with an empty profile in a folder. Few pixels are drawn fast where a program draws them."""
        assert BROWSER is not None
        self._process = subprocess.Popen(
            [BROWSER, *_OPTIONS, f"--window-size={width},{height}", f"--user-data-dir={folder}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        port = _wait_for(lambda: _read(folder / "DevToolsActivePort"), "the browser").split()[0]
        pages = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json"))
        url = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
        self._socket = connect(url, max_size=None, ping_interval=None)
        self._ids = itertools.count(1)
        self.requests: list[str] = []
        """Every address that was asked for."""
        self.complaints: list[str] = []
        """Errors and exceptions of the page's console."""
        self.frames = 0
        """Messages that came over web sockets."""
        for domain in _DOMAINS:
            self.command(f"{domain}.enable")
        # The page's workers ask for addresses too: each waits until it is listened to.
        self.command("Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=True, flatten=True)

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        end_s = time.monotonic() + DEADLINE_S
        while True:
            message = json.loads(self._socket.recv(timeout=max(0.0, end_s - time.monotonic())))
            if message.get("id") == number:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self._note(message)

    def open(self, url: str) -> None:
        """Go to a page."""
        self.command("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page, a promise's once it has one."""
        result = self.command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def text(self) -> str:
        """What the page says."""
        return self.evaluate("document.body ? document.body.innerText : ''")

    def wait_for(self, condition: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:
        """Wait until a condition holds and return its value; fail with the page's text when it does not in time."""
        return _wait_for(condition, what, deadline_s, self.text)

    def click(self, label: str) -> None:
        """Press the button whose label begins so, with the mouse, as a person does: where it stays, until it clicks.

        What appears or goes above a button moves it, and a button whose labels change is a new one: a press that
        begins on one element and ends on another is no click.
        """
        place, clicked = _PLACE % json.dumps(label), f"window.clickedLabel?.startsWith({json.dumps(label)})"

        def press() -> bool:
            found = self.evaluate(place)
            if not found:
                return False
            for kind in ("mousePressed", "mouseReleased"):
                self.command("Input.dispatchMouseEvent", type=kind, **found, button="left", clickCount=1)
            return self.evaluate(clicked)

        self.wait_for(press, f"a button '{label}' that can be pressed")

    def press(self, key: str) -> None:
        """Press a letter of the keyboard, Tab or Enter."""
        if len(key) == 1:
            code = {"key": key.lower(), "code": f"Key{key.upper()}", "windowsVirtualKeyCode": ord(key.upper())}
            text = {"text": key.lower()}
        else:
            code = {"key": key, "code": key, "windowsVirtualKeyCode": {"Tab": 9, "Enter": 13}[key]}
            text = {"text": "\r"} if key == "Enter" else {}
        self.command("Input.dispatchKeyEvent", type="keyDown", **text, **code)
        self.command("Input.dispatchKeyEvent", type="keyUp", **code)

    def screenshot(self) -> np.ndarray:
        """The page as it looks, (height, width, 3)."""
        data = self.command("Page.captureScreenshot", format="png")["data"]
        return np.asarray(Image.open(BytesIO(base64.b64decode(data))).convert("RGB"))

    def close(self) -> None:
        """End it."""
        self._socket.close()
        self._process.terminate()
        try:
            self._process.wait(10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _note(self, event: dict[str, Any]) -> None:
        method, values = event.get("method"), event.get("params", {})
        if method == "Target.attachedToTarget":
            for order in (*(f"{domain}.enable" for domain in _DOMAINS[1:]), "Runtime.runIfWaitingForDebugger"):
                request = {"id": next(self._ids), "sessionId": values["sessionId"], "method": order, "params": {}}
                self._socket.send(json.dumps(request))
        elif method == "Network.requestWillBeSent":
            self.requests.append(values["request"]["url"])
        elif method == "Network.webSocketCreated":
            self.requests.append(values["url"])
        elif method == "Network.webSocketFrameReceived":
            self.frames += 1
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(values["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and values["type"] in ("error", "assert"):
            self.complaints.append(str([argument.get("value", argument) for argument in values["args"]]))
        elif method == "Log.entryAdded" and values["entry"]["level"] == "error":
            self.complaints.append(f"{values['entry']['text']} {values['entry'].get('url', '')}")


def _wait_for(
    condition: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S, seen: Callable[[], str] = str
) -> Any:
    end_s = time.monotonic() + deadline_s
    while not (value := condition()):
        assert time.monotonic() < end_s, f"waited {deadline_s} s for {what}: {seen()}"
        time.sleep(0.1)
    return value


def _read(path: Path) -> str:
    return path.read_text() if path.is_file() else ""
