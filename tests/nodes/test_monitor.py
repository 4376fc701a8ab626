"""The monitor as a process; what its page looks like is tested with a browser in test_monitor_page.py."""

import urllib.request

import pytest

pytest.importorskip("spirl_msgs")
pytest.importorskip("viser")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from spirl_msgs.msg import Skill, TrainingStatus
from spirl_msgs.srv import ResetScene, SetTask
from spirl_ros.monitoring.orders import PAUSE, RELEASE, RESET, SOURCE, STOP, TASK, Order
from spirl_ros.nodes.graph_orders import GraphOrders
from spirl_ros.nodes.messages import LATCHED_QOS
from spirl_ros.nodes.monitor_views import STALE_AFTER_S, to_choice_view, to_health_view, to_training_view
from spirl_ros.nodes.polled_topic import PolledTopic


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


def test_address_that_is_none_ends_the_node_with_a_message(start_node) -> None:
    code, output = start_node("monitor", host="robot.local").wait()
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


class Orders:
    """GraphOrders in the test's own node, with what it says."""

    def __init__(self, client) -> None:
        client.now_s = lambda: client.get_clock().now().nanoseconds * 1e-9
        self.said: list[tuple[str, bool]] = []
        self._client = client
        self._orders = GraphOrders(
            client, "skill_executor", "skill_policy", ("scripted_operator",), lambda *told: self.said.append(told)
        )

    def answer_to(self, order: Order) -> tuple[str, bool]:
        self.said.clear()
        self._orders.carry_out(order)

        def is_answered() -> bool:
            self._orders.poll()
            return bool(self.said)

        self._client.wait_for(is_answered, f"an answer to {order}")
        return self.said[-1]


def test_buttons_reach_their_services_and_answers_come_back(client) -> None:
    services, orders = Services(client, with_executor=True), Orders(client)
    client.spin_for(0.5)
    assert orders.answer_to(Order(STOP)) == ("The arm brakes.", False)
    assert orders.answer_to(Order(RELEASE)) == ("the joint state is old", True)
    assert orders.answer_to(Order(RESET)) == ("Episode 4 has begun, seed 9.", False)
    assert orders.answer_to(Order(TASK, "kitchen")) == ("Episode 4 has begun, seed 9.", False)
    assert orders.answer_to(Order(TASK, "homework")) == ("known are kitchen, kitchen_all", True)
    assert services.asked == ["stop", "reset", "reset_scene", "set_task kitchen", "reset_scene", "set_task homework"]


def test_what_is_not_there_is_said(client) -> None:
    Services(client, with_executor=False)
    orders = Orders(client)
    client.spin_for(0.3)
    for order in (Order(RELEASE), Order(PAUSE), Order(STOP), Order(SOURCE, "prior")):
        text, is_failure = orders.answer_to(order)
        assert is_failure and ("there is no service" in text or "is there" in text)


def test_emergency_stop_without_an_executor_takes_the_arm_from_the_operator(client, start_node) -> None:
    start_node("mujoco_sim", rate="lockstep")
    start_node("scripted_operator")
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
