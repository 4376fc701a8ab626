"""Calls that are answered, repeated or given up; time is an argument, the service a fake."""

import pytest

pytest.importorskip("rclpy")

from rclpy.task import Future

from spirl_ros.nodes.graph.service_calls import ServiceCalls


class Service:
    """Takes requests; the test answers them."""

    srv_name = "/load_bundle"

    def __init__(self) -> None:
        self.requests: list[Future] = []
        self.forgotten: list[Future] = []

    def service_is_ready(self) -> bool:
        return True

    def call_async(self, request: object) -> Future:
        self.requests.append(Future())
        return self.requests[-1]

    def remove_pending_request(self, future: Future) -> None:
        self.forgotten.append(future)


@pytest.mark.parametrize(("may_repeat", "sent"), [(True, 3), (False, 1)])
def test_request_that_reached_nobody_is_repeated_where_that_does_no_harm(may_repeat: bool, sent: int) -> None:
    """A killed executor was still seen for a moment, got the request, and training paused once more."""
    failures, answers, service = [], [], Service()
    calls = ServiceCalls(failures.append, patience_s=3.0)
    calls.call(service, "request", answers.append, 10.0, may_repeat)  # pyright: ignore[reportArgumentType]
    for now_s in (10.5, 11.1, 11.5, 12.2, 12.3):
        calls.poll(now_s)
    assert len(service.requests) == sent and failures == answers == []
    service.requests[-1].set_result("loaded")
    for now_s in (12.4, 20.0):
        calls.poll(now_s)
    assert (answers, failures) == (["loaded"], [])
    assert service.forgotten == service.requests


def test_call_without_an_answer_fails_once() -> None:
    failures, answers, service = [], [], Service()
    calls = ServiceCalls(failures.append, patience_s=3.0)
    calls.call(service, "request", answers.append, 10.0, may_repeat=True)  # pyright: ignore[reportArgumentType]
    for now_s in (12.9, 13.1, 20.0):
        calls.poll(now_s)
    assert answers == [] and failures == ["no answer from /load_bundle for 3 s."]


def test_calls_that_were_forgotten_are_neither_answered_nor_given_up() -> None:
    failures, answers, service = [], [], Service()
    calls = ServiceCalls(failures.append, patience_s=3.0)
    calls.call(service, "request", answers.append, 10.0)  # pyright: ignore[reportArgumentType]
    calls.clear()
    assert not calls.are_under_way and service.forgotten == service.requests
    service.requests[0].set_result("late")
    for now_s in (10.5, 20.0):
        calls.poll(now_s)
    assert answers == failures == []
