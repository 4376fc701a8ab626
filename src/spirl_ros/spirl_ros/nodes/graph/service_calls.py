"""Calls to services of other nodes, with an answer in any case: a client of a dead server would wait for ever."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.client import Client
from rclpy.task import Future

REPEAT_S = 1.0
"""A request that may be repeated is, after this time without an answer [s]."""


@dataclass
class _Call:
    client: Client
    request: Any
    futures: list[Future]
    """One per time that it was sent; any of them may be answered."""
    until_s: float
    repeat_at_s: float
    on_answer: Callable[[Any], None]

    def forget(self) -> None:
        for future in self.futures:
            self.client.remove_pending_request(future)


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

    @property
    def are_under_way(self) -> bool:
        """Whether an answer is waited for."""
        return bool(self._calls)

    def call(
        self, client: Client, request: Any, on_answer: Callable[[Any], None], now_s: float, may_repeat: bool = False
    ) -> bool:
        """Call a service; returns whether it is there at all. `on_answer` gets the response, once.

        With `may_repeat` the request is sent again while there is no answer, for services that come to the same when
        called twice: for some seconds after a server was killed its place in the ROS graph stays, and a request that is
        sent before the next server is discovered reaches nobody.
        """
        if not client.service_is_ready():
            self._on_failure(f"there is no service {client.srv_name}. Is its node running and active?")
            return False
        repeat_at_s = now_s + REPEAT_S if may_repeat else math.inf
        future = client.call_async(request)
        self._calls.append(_Call(client, request, [future], now_s + self._patience_s, repeat_at_s, on_answer))
        return True

    def poll(self, now_s: float) -> None:
        """Hand on what was answered, and give up what was not in time."""
        for call in list(self._calls):
            answered = next((future for future in call.futures if future.done()), None)
            if answered is not None:
                self._calls.remove(call)
                call.forget()
                call.on_answer(answered.result())
            elif now_s > call.until_s:
                self._calls.remove(call)
                call.forget()
                self._on_failure(f"no answer from {call.client.srv_name} for {self._patience_s:.0f} s.")
            elif now_s > call.repeat_at_s:
                call.futures.append(call.client.call_async(call.request))
                call.repeat_at_s = now_s + REPEAT_S

    def clear(self) -> None:
        """Forget all calls."""
        for call in self._calls:
            call.forget()
        self._calls.clear()
