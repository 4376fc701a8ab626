"""Drives a skill executor and measures it from outside, for `spirl bench control`; prints one JSON object last.

Run as `python -m spirl_ros.nodes.executor.control_probe WHAT COUNT LATENT_SIZE SIMULATOR_PID` in the domain of the
graph.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.action.client import ActionClient
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_srvs.srv import Trigger

from spirl_msgs.action import ExecuteSkill
from spirl_msgs.msg import SafetyStatus, Skill, SkillStatus
from spirl_msgs.srv import ResetScene
from spirl_ros.errors import SpirlError
from spirl_ros.nodes.graph.messages import COMMAND_QOS, LATCHED_QOS
from spirl_ros.nodes.graph.udp_transport import use_udp

PATIENCE_S = 60.0
_LATENT_STD = 0.3
_SETTLE_S = 0.3
_TRIES, _PATIENCE_WITH_FAULT_S = 3, 5.0


class ControlProbe(Node):
    """Streams skills as a policy would, and looks at status and diagnostics."""

    def __init__(self, latent_size: int, simulator_pid: int) -> None:
        """Subscribe."""
        super().__init__("control_probe")
        self._latent_size, self._simulator_pid = latent_size, simulator_pid
        self._generator = np.random.default_rng(0)
        self.status = SkillStatus(reason="none yet")
        self.skills_begun = self._last_id = 0
        self.is_streaming = False
        self._steps_ahead, self._sent_s = 1, 0.0
        self.fresh_lost_s = self.braking_s = np.inf
        """When the status first told of stale states, and of braking; infinite before."""
        self.diagnostics: dict[str, str] = {}
        self._skill_publisher = self.create_publisher(Skill, "skill", COMMAND_QOS)
        self.create_subscription(SkillStatus, "skill_status", self._on_skill_status, LATCHED_QOS)
        self.create_subscription(SafetyStatus, "safety_status", self._on_safety_status, LATCHED_QOS)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self)

    def wait_for(self, condition: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
        """Spin until the condition holds; raises SpirlError when it does not in time."""
        end_s = time.monotonic() + patience_s
        while not condition():
            if time.monotonic() > end_s:
                raise SpirlError(
                    f"waited {patience_s:g} s for {what}; the executor says: {self.status.reason or 'fine'}"
                )
            self._executor.spin_once(timeout_sec=0.05)

    def make_ready(self) -> None:
        """Wait for the executor; what a busy machine latched before is released."""
        self.wait_for(lambda: not self.status.reason or self.status.state == SkillStatus.LATCHED, "an executor")
        if self.status.reason:
            reset = self.create_client(Trigger, "skill_executor/reset")
            self.wait_for(reset.service_is_ready, "the executor's reset")
            self._reset(reset)

    def timing(self, duration_s: float) -> dict[str, object]:
        """Stream skills for a time [s]; returns what the executor says of its timing, and its processor time."""
        self.is_streaming = True
        self._send_skill()
        end_s = time.monotonic() + duration_s
        self.wait_for(lambda: time.monotonic() > end_s, "the end", patience_s=2.0 * duration_s)
        return {**self.diagnostics, "skills": self.skills_begun, "state": int(self.status.state)}

    def lockstep(self, skills: int) -> dict[str, object]:
        """Control steps per second [1/s] of skills that follow each other, by the topic and by the action."""
        horizon, self._steps_ahead = self.status.skill_horizon, 0
        self._reset_scene()
        self.is_streaming = True
        begin_s, first = time.monotonic(), self.skills_begun
        self._send_skill()
        self.wait_for(lambda: self.skills_begun >= first + skills, "skills by the topic")
        by_topic = skills * horizon / (time.monotonic() - begin_s)
        self.is_streaming = False
        self.wait_for(lambda: self.status.state == SkillStatus.IDLE, "the last skill")
        client = ActionClient(self, ExecuteSkill, "execute_skill")
        self._reset_scene()
        self.wait_for(client.server_is_ready, "the action")
        begin_s, steps = time.monotonic(), 0
        for _ in range(skills):
            goal = client.send_goal_async(ExecuteSkill.Goal())
            self.wait_for(goal.done, "a goal")
            result = goal.result().get_result_async()  # pyright: ignore[reportOptionalMemberAccess]
            self.wait_for(result.done, "a result")
            steps += result.result().result.steps  # pyright: ignore[reportOptionalMemberAccess]
        return {"by_topic": by_topic, "by_action": steps / (time.monotonic() - begin_s)}

    def faults(self, rounds: int) -> dict[str, object]:
        """Times [s] from a stopped simulator, and from a call of stop, to the first status that tells of braking.

        Also how many could not be taken: each fault is tried a few times.
        """
        times_s: dict[str, list[float]] = {"stale_s": [], "stop_s": []}
        missing = 0
        stop, reset = (self.create_client(Trigger, f"skill_executor/{name}") for name in ("stop", "reset"))
        self.wait_for(lambda: stop.service_is_ready() and reset.service_is_ready(), "services")
        for name, fault in rounds * (("stale_s", self._stop_simulator), ("stop_s", lambda: self._call_stop(stop))):
            for _ in range(_TRIES):
                # Skills of an episode that has ended, as random ones end it now and then, end with their first step.
                self._reset_scene()
                self._move(reset)
                self._spin_for(float(self._generator.uniform(0.0, 0.2)))
                time_s = fault()
                os.kill(self._simulator_pid, signal.SIGCONT)
                self.is_streaming = False
                self._spin_for(_SETTLE_S)
                self._reset(reset)
                if time_s is not None:
                    times_s[name].append(time_s)
                    break
            else:
                missing += 1
        return {**times_s, "missing": missing}

    def _stop_simulator(self) -> float | None:
        """Skills go on to be sent, as a policy does: one that ended a moment before would leave nothing to brake."""
        self.fresh_lost_s = np.inf
        begin_s = time.monotonic()
        os.kill(self._simulator_pid, signal.SIGSTOP)
        return self._time_until(begin_s, lambda: self.fresh_lost_s)

    def _call_stop(self, stop) -> float | None:
        self.braking_s = np.inf
        begin_s = time.monotonic()
        stop.call_async(Trigger.Request())
        return self._time_until(begin_s, lambda: self.braking_s)

    def _time_until(self, begin_s: float, seen_s: Callable[[], float]) -> float | None:
        """From the beginning until something was seen and the arm has latched; None when that does not come."""
        try:
            self.wait_for(lambda: seen_s() < np.inf, "braking", _PATIENCE_WITH_FAULT_S)
            self.wait_for(lambda: self.status.state == SkillStatus.LATCHED, "the latch", _PATIENCE_WITH_FAULT_S)
        except SpirlError:
            return None
        return seen_s() - begin_s

    def _move(self, reset) -> None:
        """Stream skills until one has begun; on a machine so busy that the executor latches, try again."""

        def has_begun_or_latched() -> bool:
            return self.status.state in (SkillStatus.EXECUTING, SkillStatus.LATCHED)

        while self.status.state != SkillStatus.EXECUTING:
            if self.status.state == SkillStatus.LATCHED:
                self._reset(reset)
            self.is_streaming = True
            self._send_skill()
            self.wait_for(has_begun_or_latched, "motion")

    def _reset_scene(self) -> None:
        """Both measurements begin there: physics takes longer where things touch."""
        client = self.create_client(ResetScene, "reset_scene")
        self.wait_for(client.service_is_ready, "the simulator")
        answer = client.call_async(ResetScene.Request(use_seed=True, seed=0))
        self.wait_for(answer.done, "the reset of the scene")
        self._spin_for(_SETTLE_S)

    def _reset(self, client) -> None:
        def is_reset() -> bool:
            if self.status.state not in (SkillStatus.BRAKING, SkillStatus.LATCHED):
                return True
            answer = client.call_async(Trigger.Request())
            self.wait_for(answer.done, "an answer of reset")
            return answer.result().success

        self.wait_for(is_reset, "the reset")
        self.wait_for(lambda: self.status.state == SkillStatus.IDLE, "an executor that is ready")

    def _spin_for(self, duration_s: float) -> None:
        end_s = time.monotonic() + duration_s
        while time.monotonic() < end_s:
            self._executor.spin_once(timeout_sec=0.01)

    def _send_skill(self) -> None:
        self._last_id, self._sent_s = self._last_id + 1, time.monotonic()
        latent = self._generator.normal(0.0, _LATENT_STD, self._latent_size)
        self._skill_publisher.publish(Skill(skill_id=self._last_id, latent=latent.tolist()))

    def _on_skill_status(self, status: SkillStatus) -> None:
        self.skills_begun += status.skill_id != self.status.skill_id and status.step > 0
        self.status = status
        if status.reason and status.state >= SkillStatus.BRAKING and self.braking_s == np.inf:
            self.braking_s = time.monotonic()
        if self.is_streaming and status.state <= SkillStatus.EXECUTING:
            ends = status.skill_id == self._last_id and status.step + self._steps_ahead >= status.skill_horizon
            was_dropped = status.state == SkillStatus.IDLE and time.monotonic() > self._sent_s + _SETTLE_S
            if ends or was_dropped:
                self._send_skill()

    def _on_safety_status(self, status: SafetyStatus) -> None:
        if status.state >= SafetyStatus.HOLDING and status.reason.startswith("fresh") and self.fresh_lost_s == np.inf:
            self.fresh_lost_s = time.monotonic()

    def _on_diagnostics(self, array: DiagnosticArray) -> None:
        for status in array.status:
            if status.name.startswith("skill_executor"):
                self.diagnostics = {value.key: value.value for value in status.values}


def main() -> None:
    """Measure one thing."""
    what, count, latent_size, simulator_pid = sys.argv[1], *map(int, sys.argv[2:5])
    use_udp(os.environ)
    rclpy.init(args=[])
    probe = ControlProbe(latent_size, simulator_pid)
    try:
        probe.make_ready()
        measure = {"timing": probe.timing, "lockstep": probe.lockstep, "faults": probe.faults}[what]
        print(json.dumps(measure(count)), flush=True)
    except SpirlError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
