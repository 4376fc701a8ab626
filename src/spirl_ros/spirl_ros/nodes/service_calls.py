"""Calls to services of other nodes, with an answer in any case: a client of a dead server would wait for ever."""

from collections.abc import Callable
from typing import Any, NamedTuple

from rclpy.client import Client
from rclpy.task import Future


class _Call(NamedTuple):
    client: Client
    future: Future
    until_s: float
    on_answer: Callable[[Any], None]


class ServiceCalls:
    """Keeps the calls under way; `poll` has to be called every now and then. One thread."""

    def __init__(self, on_failure: Callable[[str], object], patience_s: float) -> None:
        """Begin with none.

        Args:
            on_failure: called with one sentence when there is no service or no answer.
            patience_s: how long an answer may take [s].
        """
        self._on_failure = on_failure
        self._patience_s = patience_s
        self._calls: list[_Call] = []

    def call(self, client: Client, request: Any, on_answer: Callable[[Any], None], now_s: float) -> bool:
        """Call a service; returns whether it is there at all. `on_answer` gets the response."""
        if not client.service_is_ready():
            self._on_failure(f"there is no service {client.srv_name}. Is its node running and active?")
            return False
        self._calls.append(_Call(client, client.call_async(request), now_s + self._patience_s, on_answer))
        return True

    def poll(self, now_s: float) -> None:
        """Hand on what was answered, and give up what was not in time."""
        for call in list(self._calls):
            if call.future.done():
                self._calls.remove(call)
                call.on_answer(call.future.result())
            elif now_s > call.until_s:
                self._calls.remove(call)
                call.client.remove_pending_request(call.future)
                self._on_failure(f"no answer from {call.client.srv_name} for {self._patience_s:.0f} s.")

    def clear(self) -> None:
        """Forget all calls."""
        for call in self._calls:
            call.client.remove_pending_request(call.future)
        self._calls.clear()
