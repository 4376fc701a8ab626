"""What the page and the markers are told of skills, from real messages."""

import math

import pytest

pytest.importorskip("spirl_msgs")

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import Image

from spirl_msgs.msg import SafetyStatus, Skill, SkillStatus
from spirl_ros.control.image_messages import image_topic
from spirl_ros.control.observation_fields import PICTURE, Field
from spirl_ros.monitoring.page_html import skill_html
from spirl_ros.nodes.graph.camera_topics import to_image
from spirl_ros.nodes.graph.graph_listener import GraphListener
from spirl_ros.nodes.graph.messages import COMMAND_QOS, LATCHED_QOS


class Graph:
    """A client that says what an executor and those who choose would say, and a listener."""

    def __init__(self, client) -> None:
        self.client = client
        self.listener = GraphListener(client, None)
        self.listener.open()
        self.skills = client.create_publisher(Skill, "skill", COMMAND_QOS)
        self.choices = client.create_publisher(Skill, "chosen_skill", COMMAND_QOS)
        self.status = client.create_publisher(SkillStatus, "skill_status", LATCHED_QOS)
        self.safety = client.create_publisher(SafetyStatus, "safety_status", LATCHED_QOS)
        for publisher in (self.skills, self.choices, self.status, self.safety):
            client.wait_for(lambda publisher=publisher: publisher.get_subscription_count() == 1, "the listener")

    def look(self, now_s: float = 0.0):
        self.client.spin_for(0.2)
        self.listener.look_at_statuses(now_s)
        return self.listener.view(now_s, 10.0, 1)


def test_page_tells_who_chose_a_skill_that_the_action_asked_for(client) -> None:
    """While a policy learned, the page said neither by whom nor how far from the prior."""
    graph = Graph(client)
    for number in (16, 17, 18):  # the last one has not begun
        graph.choices.publish(
            Skill(skill_id=number, latent=[0.1 * number], source=Skill.SOURCE_POLICY, prior_divergence=0.5 * number)
        )
    graph.status.publish(SkillStatus(state=SkillStatus.EXECUTING, latent=[1.7], step=2, skill_horizon=10))
    view = graph.look()
    assert view.skill is not None and view.choice is not None
    assert (view.skill.skill_id, view.choice.skill_id, graph.listener.skill_id) == (17, 17, 17)
    page = skill_html(view.skill, view.choice)
    assert "skill 17 by the policy" in page and "KL 8.50 nats" in page
    newest = graph.listener.newest_choice
    assert newest is not None and newest.skill_id == 18


def test_skill_that_nobody_tells_of_is_not_taken_for_another(client) -> None:
    graph = Graph(client)
    graph.skills.publish(Skill(skill_id=0, latent=[0.5], source=Skill.SOURCE_MANUAL, prior_divergence=math.nan))
    graph.status.publish(SkillStatus(state=SkillStatus.EXECUTING, latent=[0.7], step=2, skill_horizon=10))
    view = graph.look()
    assert "by hand" not in skill_html(view.skill, view.choice)
    first = graph.listener.skill_id
    graph.status.publish(SkillStatus(state=SkillStatus.EXECUTING, latent=[0.7], step=1, skill_horizon=10))
    graph.look()
    assert graph.listener.skill_id == first + 1  # the same latent again is another skill


def test_every_status_of_the_safety_filter_is_heard(client) -> None:
    """Only the newest was, so that interventions of one control step were missed in lockstep."""
    graph = Graph(client)
    for count, state in enumerate((SafetyStatus.PASSED, SafetyStatus.LIMITED, SafetyStatus.PASSED)):
        graph.safety.publish(SafetyStatus(state=state, interventions=count))
    graph.look()
    assert [safety.state for safety in graph.listener.new_safety] == ["passed", "limited", "passed"]
    graph.look()
    assert graph.listener.new_safety == ()


def test_silent_executor_lives_as_long_as_its_diagnostics_say(client) -> None:
    """One that waits in lockstep may say nothing; one that was killed says nothing more."""
    graph = Graph(client)
    diagnostics = client.create_publisher(DiagnosticArray, "/diagnostics", 10)
    client.wait_for(lambda: diagnostics.get_subscription_count() == 1, "the listener")

    def hear(state: str, now_s: float) -> None:
        diagnostics.publish(DiagnosticArray(status=[DiagnosticStatus(name=f"test_client: {state}")]))
        client.spin_for(0.2)
        graph.listener.look_at_diagnostics(now_s)

    assert not graph.listener.has_executor(0.0)
    graph.status.publish(SkillStatus(state=SkillStatus.LATCHED))
    graph.look(now_s=10.0)
    assert graph.listener.has_executor(12.0) and not graph.listener.has_executor(14.0)
    assert not graph.listener.has_safety_filter(12.0)
    hear("active", 13.5)
    assert graph.listener.has_executor(16.0) and not graph.listener.has_executor(17.0)
    hear("inactive", 17.0)
    assert not graph.listener.has_executor(17.0)


def test_page_gets_the_newest_picture_of_each_camera_while_it_is_open(client) -> None:
    eye = Field("eye", (2, 2, 3), PICTURE, source="wrist")
    publisher = client.create_publisher(Image, image_topic("wrist"), 10)
    listener = GraphListener(client, None, pictures=(eye,))
    assert publisher.get_subscription_count() == 0
    listener.open()
    client.wait_for(publisher.get_subscription_count, "the listener")
    for value in (3, 4):
        publisher.publish(to_image(np.full(eye.shape, value, np.uint8), Time(), ""))
    client.spin_for(0.2)
    np.testing.assert_array_equal(listener.look_at_pictures()["eye"], np.full(eye.shape, 4))
    assert listener.look_at_pictures() == {}
    publisher.publish(to_image(np.ones((4, 4, 3), np.uint8), Time(), ""))
    client.spin_for(0.2)
    assert listener.look_at_pictures() == {}
    listener.close()
