"""The monitor as a process; what its page looks like is tested with a browser in test_monitor_page.py."""

import urllib.request

import pytest

pytest.importorskip("spirl_msgs")
pytest.importorskip("viser")

import msgspec
import viser
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters
from rclpy.client import Client
from rclpy.task import Future
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from spirl_msgs.msg import Skill, TrainingStatus
from spirl_msgs.srv import ResetScene, SetTask
from spirl_ros.monitoring.orders import PAUSE, RELEASE, RESET, RESUME, SOURCE, START, STOP, TASK, Order
from spirl_ros.nodes.graph.graph_listener import full_name
from spirl_ros.nodes.graph.graph_orders import GraphOrders
from spirl_ros.nodes.graph.messages import LATCHED_QOS
from spirl_ros.nodes.graph.polled_topic import PolledTopic
from spirl_ros.nodes.viewers.monitor_views import STALE_AFTER_S, to_choice_view, to_health_view, to_training_view


def page_of(process) -> str:
    """Address of the page, as the monitor's log says it."""
    for line in process.process.stdout:
        if "the page is at" in line:
            return line.split()[-1]
    raise AssertionError("the monitor ended")


def test_page_is_there_and_without_a_viewer_no_state_is_listened_to(client, start_node) -> None:
    states = client.create_publisher(JointState, "joint_states", 10)
    training = client.create_publisher(TrainingStatus, "training_status", LATCHED_QOS)
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    url = page_of(start_node("monitor", port=0))
    assert url.startswith("http://127.0.0.1:")
    assert b"<html" in urllib.request.urlopen(url).read().lower()
    client.wait_for(lambda: training.get_subscription_count() == 1, "the monitor's subscription")
    client.wait_for(lambda: any(message.status[0].message == "nobody looks" for message in diagnostics), "diagnostics")
    assert states.get_subscription_count() == 0

    def figures() -> dict[str, str]:
        return {value.key: value.value for value in diagnostics[-1].status[0].values}

    # Its own come once a second.
    client.wait_for(lambda: float(figures().get("diagnostics [Hz]", "0")) > 0.5, "what is heard without a viewer")
    training.publish(TrainingStatus())
    client.wait_for(lambda: figures()["statuses of training"] == "1", "a status of training")
    assert figures()["nodes heard"] == "1"


def test_monitor_goes_down_and_up_again_and_ends_cleanly(client, start_node) -> None:
    monitor = start_node("monitor", port=0)
    page_of(monitor)
    for transition in (
        Transition.TRANSITION_DEACTIVATE,
        Transition.TRANSITION_CLEANUP,
        Transition.TRANSITION_CONFIGURE,
        Transition.TRANSITION_ACTIVATE,
    ):
        request = ChangeState.Request(transition=Transition(id=transition))
        assert client.call(ChangeState, "monitor/change_state", request).success
    assert urllib.request.urlopen(page_of(monitor)).status == 200
    code, output = monitor.end()
    assert code == 0 and "Traceback" not in output


def test_monitor_that_ends_before_its_viewers_says_nothing_of_it(client, start_node) -> None:
    """Cut off, they woke a node that was gone: a traceback was the demo's last word."""
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    monitor = start_node("monitor", port=0)
    address = page_of(monitor).replace("http", "ws")
    protocol = Subprotocol(f"viser-v{viser.__version__}")
    with connect(address, subprotocols=[protocol], max_size=None) as viewer:
        viewer.send(msgspec.msgpack.encode(CAMERA))  # whoever has none does not look
        client.wait_for(
            lambda: any(("viewers", "1") in pairs(message.status[0]) for message in diagnostics), "a viewer"
        )
        code, output = monitor.end()
    assert code == 0 and "Traceback" not in output and "exception" not in output


CAMERA = {
    "type": "ViewerCameraMessage",
    **{"wxyz": (1.0, 0.0, 0.0, 0.0), "position": (0.0, 0.0, 1.0), "look_at": (0.0, 0.0, 0.0)},
    **{"up_direction": (0.0, 0.0, 1.0), "fov": 1.0, "near": 0.1, "far": 10.0, "image_height": 60, "image_width": 80},
}
"""What viser's client says first."""


def pairs(status: DiagnosticStatus) -> list[tuple[str, str]]:
    return [(value.key, value.value) for value in status.values]


def test_address_that_is_none_ends_the_node_with_a_message(start_here) -> None:
    code, output = start_here("monitor", host="robot.local").wait()
    assert code == 2 and "host is 'robot.local'" in output


class Services:
    """Stands in for a whole graph: notes what is asked for."""

    def __init__(self, client, *, with_executor: bool) -> None:
        self.asked: list[str] = []
        if with_executor:
            client.create_service(Trigger, "skill_executor/stop", self._on_stop)
            client.create_service(Trigger, "skill_executor/reset", self._on_reset)
        client.create_service(ResetScene, "reset_scene", self._on_reset_scene)
        client.create_service(SetTask, "set_task", self._on_set_task)

    def _on_stop(self, request, response):
        self.asked.append("stop")
        response.success, response.message = True, "The arm brakes."
        return response

    def _on_reset(self, request, response):
        self.asked.append("reset")
        response.message = "the joint state is old"
        return response

    def _on_reset_scene(self, request, response):
        self.asked.append("reset_scene")
        response.success, response.episode, response.seed = True, 4, 9
        return response

    def _on_set_task(self, request, response):
        self.asked.append(f"set_task {request.task}")
        response.success, response.message = request.task == "kitchen", "known are kitchen, kitchen_all"
        return response


class Policy:
    """Stands in for the skill policy: notes parameters, transitions and starts."""

    def __init__(self, client) -> None:
        self.asked: list[str] = []
        self.refused = ""
        """Reason not to set parameters."""
        client.create_service(SetParameters, "skill_policy/set_parameters", self._on_set_parameters)
        client.create_service(ChangeState, "skill_policy/change_state", self._on_change_state)
        client.create_service(Trigger, "skill_policy/start", self._on_start)

    def _on_set_parameters(self, request, response):
        self.asked += [f"{parameter.name} {parameter.value.string_value}" for parameter in request.parameters]
        result = SetParametersResult(successful=not self.refused, reason=self.refused)
        response.results = [result for _ in request.parameters]
        return response

    def _on_change_state(self, request, response):
        self.asked.append(TRANSITIONS[request.transition.id])
        response.success = True
        return response

    def _on_start(self, request, response):
        self.asked.append("start")
        response.success, response.message = True, "Endless episodes begin with seed 0."
        return response


TRANSITIONS = {
    Transition.TRANSITION_CONFIGURE: "configure",
    Transition.TRANSITION_CLEANUP: "cleanup",
    Transition.TRANSITION_ACTIVATE: "activate",
    Transition.TRANSITION_DEACTIVATE: "deactivate",
}
SWITCH = ["deactivate", "cleanup", "configure", "activate"]


class Orders:
    """GraphOrders in the test's own node, with what it says."""

    def __init__(self, client, has_own_run: bool = False) -> None:
        client.now_s = lambda: client.get_clock().now().nanoseconds * 1e-9
        self.said: list[tuple[str, bool]] = []
        self._client = client
        self._orders = GraphOrders(
            client,
            "skill_executor",
            "skill_policy",
            ("scripted_operator",),
            lambda *told: self.said.append(told),
            lambda: has_own_run,
        )
        self.source, self.is_paused = self._orders.source, self._orders.is_paused
        self.carry_out = self._orders.carry_out

    def answer_to(self, order: Order) -> tuple[str, bool]:
        self.said.clear()
        self.carry_out(order)
        return self.answer(f"an answer to {order}")

    def answer(self, what: str) -> tuple[str, bool]:
        self._client.wait_for(lambda: self.has_said(1), what)
        return self.said[-1]

    def has_said(self, sentences: int) -> bool:
        self._orders.poll()
        return len(self.said) >= sentences


def test_buttons_reach_their_services_and_answers_come_back(client) -> None:
    services, orders = Services(client, with_executor=True), Orders(client)
    client.spin_for(0.5)
    assert orders.answer_to(Order(STOP)) == ("The arm brakes.", False)
    assert orders.answer_to(Order(RELEASE)) == ("the joint state is old", True)
    assert orders.answer_to(Order(RESET)) == ("Episode 4 has begun, seed 9.", False)
    assert orders.answer_to(Order(TASK, "kitchen")) == ("Episode 4 has begun, seed 9.", False)
    assert orders.answer_to(Order(TASK, "homework")) == ("known are kitchen, kitchen_all", True)
    assert services.asked == ["stop", "reset", "reset_scene", "set_task kitchen", "reset_scene", "set_task homework"]


def test_emergency_stop_ends_the_run_of_the_policy_too(client) -> None:
    """A run that a fault has interrupted goes on by itself in a simulation, also after a stop that changed nothing."""
    services, orders = Services(client, with_executor=True), Orders(client)

    def on_end(request, response):
        services.asked.append("end of the run")
        response.message = "no episode is under way."
        return response

    client.create_service(Trigger, "skill_policy/stop", on_end)
    client.spin_for(0.5)
    assert orders.answer_to(Order(STOP)) == ("The arm brakes.", False)
    client.wait_for(lambda: len(services.asked) == 2, "both")
    assert services.asked == ["stop", "end of the run"]


def test_emergency_stop_that_reached_nobody_is_asked_for_again(client, monkeypatch) -> None:
    """Of an executor that was killed, its place in the graph stays for a while; the next never heard of the stop."""
    services, orders = Services(client, with_executor=True), Orders(client)
    client.spin_for(0.5)
    lost: list[Future] = []
    call_async = Client.call_async

    def lose_the_first(of: Client, request: object) -> Future:
        if lost:
            return call_async(of, request)
        lost.append(Future())
        return lost[0]

    monkeypatch.setattr(Client, "call_async", lose_the_first)
    assert orders.answer_to(Order(STOP)) == ("The arm brakes.", False)
    assert lost and services.asked == ["stop"]


def test_source_takes_what_the_launch_files_take_of_it(client) -> None:
    """The page's prior gave its mean, and that of the launch argument `policy:=prior` samples."""
    policy, orders = Policy(client), Orders(client)
    client.spin_for(0.5)
    assert orders.answer_to(Order(SOURCE, "prior")) == ("skill_policy chooses skills by the prior.", False)
    assert policy.asked == ["source prior", "latent sample", *SWITCH]
    policy.asked.clear()
    orders.answer_to(Order(SOURCE, "policy"))
    assert policy.asked == ["source policy", "latent mean", *SWITCH]


def test_source_that_was_ordered_is_shown_until_it_is_answered_or_refused(client) -> None:
    policy, orders = Policy(client), Orders(client)
    client.spin_for(0.5)
    orders.carry_out(Order(SOURCE, "prior"))
    assert orders.source.shown("policy", client.now_s()) == "prior"
    orders.carry_out(Order(PAUSE))  # its transition would get into those of the switch
    assert orders.said.pop() == ("skill_policy is still being switched; ask again when that is done.", True)
    orders.answer("the switch")
    assert policy.asked[2:] == SWITCH
    assert orders.source.shown("policy", client.now_s()) == "prior"
    assert not orders.is_paused.shown(True, client.now_s())  # it was inactive on its way, as diagnostics may tell
    policy.refused = "there is no prior"
    assert orders.answer_to(Order(SOURCE, "policy")) == ("there is no prior", True)
    assert orders.source.shown("prior", client.now_s()) == "prior"


def test_two_presses_of_pause_are_a_pause_and_its_end(client) -> None:
    """Diagnostics tell of a pause up to a second late: until then a second press was another pause, which failed."""
    policy, orders = Policy(client), Orders(client)
    client.spin_for(0.5)
    orders.carry_out(Order(PAUSE))
    assert orders.is_paused.shown(False, client.now_s())
    orders.carry_out(Order(PAUSE))  # of somebody who had not seen the first yet
    orders.carry_out(Order(RESUME))
    assert not orders.is_paused.shown(True, client.now_s())
    client.wait_for(lambda: len(policy.asked) == 2, "both")
    client.wait_for(lambda: orders.has_said(2), "both answers")
    assert policy.asked == ["deactivate", "activate"]
    assert orders.said == [("skill_policy rests, its episode has ended.", False), ("skill_policy goes on.", False)]


def test_end_of_a_pause_begins_again_what_start_had_begun(client) -> None:
    """A policy that waits for a start was active again after Continue, and did nothing."""
    policy, orders = Policy(client), Orders(client, has_own_run=True)
    client.spin_for(0.5)
    orders.answer_to(Order(PAUSE))
    again = "Endless episodes begin with seed 0."
    assert orders.answer_to(Order(RESUME)) == (f"skill_policy goes on. {again}", False)
    assert orders.answer_to(Order(SOURCE, "prior")) == (f"skill_policy chooses skills by the prior. {again}", False)
    assert policy.asked == ["deactivate", "activate", "start", "source prior", "latent sample", *SWITCH, "start"]


def test_run_that_was_just_started_is_known_before_diagnostics_tell_of_it(client) -> None:
    """A pause within a second after the start ended for good what had been started."""
    policy, orders = Policy(client), Orders(client, has_own_run=False)
    client.spin_for(0.5)
    orders.answer_to(Order(START))
    orders.answer_to(Order(PAUSE))
    orders.answer_to(Order(RESUME))
    assert policy.asked == ["start", "deactivate", "activate", "start"]


def test_node_is_known_by_its_full_name() -> None:
    assert full_name("/", "skill_executor") == "skill_executor"
    assert full_name("/right", "skill_executor") == "right/skill_executor"
    assert full_name("/right", "/left/skill_executor") == "left/skill_executor"


def test_what_is_not_there_is_said(client) -> None:
    Services(client, with_executor=False)
    orders = Orders(client)
    client.spin_for(0.3)
    for order in (Order(RELEASE), Order(PAUSE), Order(STOP), Order(SOURCE, "prior")):
        text, is_failure = orders.answer_to(order)
        assert is_failure and ("there is no service" in text or "is there" in text)


def test_emergency_stop_without_an_executor_takes_the_arm_from_the_operator(client, start_here) -> None:
    start_here("mujoco_sim", rate="lockstep")
    start_here("scripted_operator")
    states = client.collect(JointState, "joint_states")
    orders = Orders(client)
    operator = client.create_client(ChangeState, "scripted_operator/change_state")
    client.wait_for(operator.service_is_ready, "the operator's services")
    client.wait_for(lambda: len(states) > 20, "motion")
    assert orders.answer_to(Order(STOP)) == ("scripted_operator was stopped, the arm's controller holds.", False)
    client.spin_for(0.3)
    stamp = states[-1].header.stamp
    client.spin_for(0.8)
    assert states[-1].header.stamp == stamp  # in lockstep, time stands still without commands


def test_polled_topic_keeps_the_newest_and_the_publishers_count(client) -> None:
    topic = PolledTopic(client, JointState, "joint_states", 1)
    publisher = client.create_publisher(JointState, "joint_states", 10)
    client.wait_for(lambda: publisher.get_subscription_count() == 1, "the subscription")
    for number in range(5):
        publisher.publish(JointState(name=[str(number)]))

    def has_come(number: int) -> bool:
        topic.take()
        return topic.published == number

    client.wait_for(lambda: has_come(5), "the last message")
    for number in (6, 7):
        publisher.publish(JointState(name=[str(number)]))
    client.spin_for(0.3)
    message = topic.take()
    assert message is not None and message.name == ["7"] and topic.published == 7
    assert topic.take() is None


def test_silent_node_becomes_stale() -> None:
    status = DiagnosticStatus(name="mujoco_sim: active", message="simulating", level=DiagnosticStatus.OK)
    assert to_health_view(status, 1.0).level == "ok"
    assert to_health_view(status, STALE_AFTER_S + 0.1).level == "stale"


def test_unknown_source_of_a_skill_does_not_break_the_page() -> None:
    assert to_choice_view(Skill(skill_id=3, source=0)).source == "unknown"


def test_every_state_of_training_has_a_name() -> None:
    names = {to_training_view(TrainingStatus(state=state)).state for state in range(5)}
    assert len(names) == 5
