"""When a node calls itself worse than OK on /diagnostics, and the reason that it gives."""

import os
import re
import signal
from pathlib import Path

import pytest

pytest.importorskip("spirl_msgs")
pytest.importorskip("mujoco")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from std_srvs.srv import Trigger

from spirl_msgs.msg import Skill, SkillStatus
from spirl_ros.nodes.graph.messages import COMMAND_QOS
from tests.nodes.kitchen_bundle import write_kitchen_bundle
from tests.nodes.skill_graph import SkillGraph

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


class Reports:
    """Everything that the nodes have said of themselves."""

    def __init__(self, client) -> None:
        self._client = client
        self._statuses: list[DiagnosticStatus] = []
        client.create_subscription(
            DiagnosticArray, "/diagnostics", lambda array: self._statuses.extend(array.status), 100
        )

    def next(self, node: str) -> dict[str, str]:
        """The values of a node's next report, whatever it says: a busy machine gives nodes much to say."""
        return self.wait_for(node, None, ".*")

    def wait_for(
        self, node: str, level: bytes | None, pattern: str, values: dict[str, str] | None = None
    ) -> dict[str, str]:
        """The values of the next report of a node that has this level, a reason that matches, and these values."""
        self._statuses.clear()
        expected = set((values or {}).items())
        found: list[dict[str, str]] = []

        def told() -> bool:
            found[:] = [
                given
                for status in self._statuses
                if status.name.startswith(f"{node}:")
                and level in (None, status.level)
                and re.fullmatch(pattern, status.message)
                and expected <= (given := {value.key: value.value for value in status.values}).items()
            ]
            return bool(found)

        try:
            self._client.wait_for(told, f"{node} to say '{pattern}' {values or ''}", 30.0)
        except AssertionError as error:
            raise AssertionError(f"{error}; it said {[(s.level, s.message) for s in self._statuses]}") from error
        return found[-1]


@pytest.fixture
def reports(client) -> Reports:
    return Reports(client)


def change_state(client, node: str, transition: int) -> None:
    request = ChangeState.Request(transition=Transition(id=transition))
    assert client.call(ChangeState, f"{node}/change_state", request).success


def test_executor_tells_of_the_filter_the_latch_and_what_waits(client, start_here, reports, tmp_path) -> None:
    bundle = write_kitchen_bundle(tmp_path / "bundle", scale=100.0, share_of_limits=0.05)
    # A tenth of the speed: a skill of five steps takes four seconds, and one second goes by between two reports. It
    # asks for 0.2 rad/s, twice a twentieth of what the joints can do.
    graph = SkillGraph(client, start_here, bundle, "realtime", speed=0.1)
    first = reports.wait_for("skill_executor", None, "idle|missed ticks in the last second: .*")
    assert (first["bundle"], first["skills waiting"]) == ("kitchen_test", "0")
    client.spin_for(2.0)  # the executor has said once where the arm is, and then nothing
    assert float(reports.next("mujoco_sim")["command age [s]"]) > 2.0

    skills = client.create_publisher(Skill, "skill", COMMAND_QOS)
    client.wait_for(lambda: skills.get_subscription_count() == 1, "the executor's ear")
    skills.publish(Skill(skill_id=1, latent=[1.0, -1.0]))
    graph.wait_for_state(SkillStatus.EXECUTING)
    skills.publish(Skill(skill_id=2, latent=[1.0, -1.0]))
    changed = r"commands that the safety filter changed in the last second: \d+"
    values = reports.wait_for("skill_executor", WARN, changed, {"skills waiting": "1"})
    assert int(values["interventions"]) > 0
    assert float(reports.next("mujoco_sim")["command age [s]"]) < 2.0  # a command every 0.8 s

    assert graph.trigger("stop").success
    reports.wait_for("skill_executor", ERROR, "LATCHED: stopped by a service call")
    change_state(client, "skill_executor", Transition.TRANSITION_DEACTIVATE)
    inactive = reports.wait_for("skill_executor", OK, "not active")
    assert inactive.keys() == {"bundle", "bundle digest", "provider"} and inactive["bundle"] == "kitchen_test"
    change_state(client, "skill_executor", Transition.TRANSITION_CLEANUP)
    assert reports.wait_for("skill_executor", OK, "not active") == {}


def test_policy_tells_why_the_prior_chooses_and_that_states_are_silent(client, start_node, reports, tmp_path) -> None:
    bundle = write_kitchen_bundle(tmp_path / "bundle", policy="fails")
    graph = SkillGraph(client, start_node, bundle, "realtime")
    start_node("skill_policy", bundle=bundle, start="at_once", patience_s=60.0)
    values = reports.wait_for("skill_policy", WARN, "the prior chooses: .* is nan, expected a finite number.")
    assert int(values["skills chosen by the fallback"]) > 0
    # An executor that hangs does not say that it brakes: the policy waits for it, and sees no states.
    graph.executor.process.send_signal(signal.SIGSTOP)
    graph.simulator.process.kill()
    values = reports.wait_for("skill_policy", ERROR, r"no observation for \d+\.\d s")
    assert float(values["observation age [s]"]) > 1.0


def test_stand_in_arm_tells_why_it_stands(client, start_here, reports) -> None:
    start_here("stand_in_arm")
    values = reports.wait_for("stand_in_arm", None, "following|missed ticks in the last second: .*")
    assert values["command age [s]"] == "inf"
    assert client.call(Trigger, "stand_in_arm/stop", Trigger.Request()).success
    reports.wait_for("stand_in_arm", ERROR, "stopped: stopped by a service call")


@pytest.fixture(scope="module")
def skills(tmp_path_factory) -> Path:
    """Folder of a training that a trainer can begin with."""
    pytest.importorskip("torch", reason="learning needs torch")
    pytest.importorskip("onnxscript")
    from tests.commands.test_export import make_run

    return make_run(tmp_path_factory.mktemp("skills")).folder


def test_trainer_tells_of_a_pause_and_of_its_learners_death(client, start_node, reports, skills, tmp_path) -> None:
    """The process ended before the next report was due: nobody heard why."""
    trainer = start_node("trainer", out=tmp_path / "out", skills=skills)
    values = reports.wait_for("trainer", OK, "starting")
    assert values.keys() >= {"updates due", "skills [Hz]", "observation age [s]", "free space [MB]"}
    assert client.call(Trigger, "trainer/pause", Trigger.Request()).success
    values = reports.wait_for("trainer", WARN, "paused by a service call")
    os.kill(int(values["learner's process"]), signal.SIGKILL)
    reports.wait_for("trainer", ERROR, "the learner's process has ended with -9; see its messages above")
    assert trainer.wait()[0] not in (0, 2, 3)  # a crash, after which launchers start it again
