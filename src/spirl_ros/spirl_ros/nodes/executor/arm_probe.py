"""Stands between an arm and its executor and falsifies what the arm says, for `spirl bench control`; prints JSON last.

Run as `python -m spirl_ros.nodes.executor.arm_probe ROUNDS SEED EXECUTOR_PID ENOUGH` in the domain of a stand-in arm
and an executor that listens to DISTURBED_TOPIC. Every joint state of the stand-in is passed on, with what the
disturbance adds. ENOUGH is the JSON of upper bounds of a Reaction's figures: one within all of them is the last of its
disturbance. Without any, there are as many as ROUNDS says.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from spirl_msgs.msg import Skill, SkillStatus, TaskStatus
from spirl_ros.errors import SpirlError
from spirl_ros.nodes.graph.messages import COMMAND_QOS, LATCHED_QOS, stamp_ns, to_stamp
from spirl_ros.nodes.graph.udp_transport import use_udp

DISTURBED_TOPIC = "disturbed_joint_states"
PATIENCE_S = 20.0
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.015, 0.090
SHORTEST_SILENCE_S, LONGEST_SILENCE_S = 0.040, 0.120
_AT_REST = 1e-3
"""A joint below this stands [rad/s, m/s]."""
_RESET_S = 0.5
"""What was latched again in this time [s] is asked to be released once more: a second publisher is remembered for a
second."""
_UNDER_WAY_S = 0.3
"""So long after it has begun to move the arm is as fast as its skill asks for, also after a pause of its executor
[s]."""
_AGAIN_S = 0.5
"""A single wrong state that had no effect in this time [s] was lost on its way, and another one is sent."""
_UNDISTURBED_S = 2.0
"""How long an arm is watched that nobody disturbs [s]."""


@dataclass(frozen=True)
class Reaction:
    """What came of one disturbance."""

    cause: str
    """What `/skill_status` said; empty where the arm went on."""
    named_s: float
    """From its beginning until that was said [s]; 0 where it went on."""
    rest_s: float
    """From its beginning until the arm stood [s]; 0 where it went on."""
    velocity: float
    """Largest velocity of the set-point meanwhile, as a share of the limit."""
    acceleration: float
    """Largest acceleration of the set-point meanwhile, as a share of the limit."""


class ArmProbe(Node):
    """Keeps an arm moving, disturbs it, and looks at what happens."""

    def __init__(self, executor_pid: int, seed: int) -> None:
        """Subscribe."""
        super().__init__("arm_probe")
        self._executor_pid, self._generator = executor_pid, np.random.default_rng(seed)
        self.status = SkillStatus(reason="none yet")
        self.change: Callable[[JointState], None] = lambda state: None
        self._state: JointState | None = None
        self._state_s = self._status_s = -np.inf
        self._diagnosis: dict[str, str] = {}
        self._peaks: list[tuple[float, float]] = []
        self._told_ns = 0
        self._skill_id, self._moves = 0, False
        self._disturbance, self._begun_s = "", 0.0
        self._silent_until_s = -np.inf
        self._held_back: list[JointState] = []
        self._task = TaskStatus(episode=1)
        self._skill_publisher = self.create_publisher(Skill, "skill", COMMAND_QOS)
        self._task_publisher = self.create_publisher(TaskStatus, "task_status", LATCHED_QOS)
        self._state_publisher = self.create_publisher(JointState, DISTURBED_TOPIC, 10)
        self.create_subscription(JointState, "joint_states", self._on_state, qos_profile_sensor_data)
        self.create_subscription(SkillStatus, "skill_status", self._on_status, LATCHED_QOS)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self._reset_client: Client = self.create_client(Trigger, "skill_executor/reset")
        self._spinner = SingleThreadedExecutor()
        self._spinner.add_node(self)

    def measure(self, rounds: int, enough: Mapping[str, float]) -> dict[str, list[dict[str, object]]]:
        """Every disturbance so many times, or until a reaction's figures are within these bounds."""
        self._wait_for(lambda: self._state is not None and self._reset_client.service_is_ready(), "arm and executor")
        self._task_publisher.publish(self._task)
        reactions: dict[str, list[dict[str, object]]] = {}
        for name, disturb in {
            "none": self._undisturbed,
            "states off by 0.05 rad": lambda: self._off_by(0.05),
            "states off by 0.2 rad": lambda: self._off_by(0.2),
            "states off by 1 rad": lambda: self._off_by(1.0),
            "one state off by 1 rad": lambda: self._off_by(1.0, is_one_state=True),
            "a second publisher of states": self._second_publisher,
            "another episode in motion": self._another_episode,
            "executor stopped for 15 to 90 ms": self._pause,
            "states held back for 40 to 120 ms": self._silence,
            "no more states": self._silence_for_good,
        }.items():
            self._disturbance = name
            reactions[name] = []
            while len(reactions[name]) < rounds:
                reactions[name].append(reaction := asdict(disturb()))
                if enough and all(reaction[figure] <= bound for figure, bound in enough.items()):
                    break
        return reactions

    def _undisturbed(self) -> Reaction:
        self._move()
        return self._reaction(lambda: self._spin_for(_UNDISTURBED_S), has_cause=False)

    def _off_by(self, error: float, is_one_state: bool = False) -> Reaction:
        def change(state: JointState) -> None:
            state.position[0] += error

        def change_one(state: JointState) -> None:
            now_s = time.monotonic()
            if self.status.state < SkillStatus.BRAKING and now_s > self._begun_s + _AGAIN_S:
                self._begun_s = now_s
                change(state)

        def begin() -> None:
            if is_one_state:
                self._begun_s -= _AGAIN_S
            self.change = change_one if is_one_state else change

        self._move()
        return self._reaction(begin)

    def _second_publisher(self) -> Reaction:
        self._move()
        state = self._state
        assert state is not None
        other: Publisher = self.create_publisher(JointState, DISTURBED_TOPIC, 10)
        timer = self.create_timer(0.01, lambda: other.publish(state))
        try:
            return self._reaction(lambda: None)
        finally:
            self.destroy_timer(timer)
            self.destroy_publisher(other)

    def _another_episode(self) -> Reaction:
        self._move()

        def begin() -> None:
            self._moves = False
            self._task.episode += 1
            self._task.header.stamp = to_stamp(self.get_clock().now().nanoseconds)
            self._task_publisher.publish(self._task)

        return self._reaction(begin, comes_to_rest=True)

    def _pause(self) -> Reaction:
        self._move()

        def pause() -> None:
            os.kill(self._executor_pid, signal.SIGSTOP)
            time.sleep(float(self._generator.uniform(SHORTEST_PAUSE_S, LONGEST_PAUSE_S)))
            os.kill(self._executor_pid, signal.SIGCONT)
            self._spin_for(_UNDER_WAY_S)

        return self._reaction(pause, has_cause=False)

    def _silence(self) -> Reaction:
        self._move()

        def hold_back() -> None:
            silence_s = float(self._generator.uniform(SHORTEST_SILENCE_S, LONGEST_SILENCE_S))
            self._silent_until_s = time.monotonic() + silence_s
            self._spin_for(silence_s + _UNDER_WAY_S)

        return self._reaction(hold_back, has_cause=False)

    def _silence_for_good(self) -> Reaction:
        self._move()
        try:
            return self._reaction(lambda: setattr(self, "_silent_until_s", np.inf))
        finally:
            self._silent_until_s = -np.inf
            self._held_back.clear()

    def _reaction(
        self, disturb: Callable[[], object], *, has_cause: bool = True, comes_to_rest: bool = False
    ) -> Reaction:
        """Disturb, and wait for what has to follow."""
        cause, named_s, rest_s = "", 0.0, 0.0
        self._begun_s = time.monotonic()
        disturb()
        if has_cause and not comes_to_rest:
            self._wait_for(lambda: self.status.state >= SkillStatus.BRAKING and self.status.reason, "the cause")
            cause, named_s = self.status.reason, time.monotonic() - self._begun_s
        if has_cause:
            self._wait_for(self._stands, "rest")
            rest_s = time.monotonic() - self._begun_s
        end_ns = self.get_clock().now().nanoseconds
        self._wait_for(lambda: self._told_ns > end_ns, "the peaks")
        velocity, acceleration = np.max(self._peaks, axis=0)
        return Reaction(cause, named_s, rest_s, float(velocity), float(acceleration))

    def _stands(self) -> bool:
        return self._state is not None and max(abs(velocity) for velocity in self._state.velocity) < _AT_REST

    def _move(self) -> None:
        """Have one skill after another carried out, after whatever was."""
        self.change = lambda state: None
        self._moves = True
        self._peaks.clear()

        def moves() -> bool:
            if self.status.state == SkillStatus.LATCHED:
                self._reset()
            if self.status.state == SkillStatus.IDLE:
                self._send_skill()
            return self.status.state == SkillStatus.EXECUTING and not self._stands()

        self._wait_for(moves, "motion")
        self._spin_for(_UNDER_WAY_S)

    def _reset(self) -> None:
        answer = self._reset_client.call_async(Trigger.Request())
        self._wait_for(answer.done, "an answer of reset")
        end_s = time.monotonic() + _RESET_S
        self._wait_for(lambda: self.status.state != SkillStatus.LATCHED or time.monotonic() > end_s, "the reset")

    def _send_skill(self) -> None:
        """Towards one side, then the other, so that no joint gets to the end of its range."""
        self._skill_id += 1
        self._skill_publisher.publish(Skill(skill_id=self._skill_id, latent=[(-1.0) ** self._skill_id]))

    def _spin_for(self, duration_s: float) -> None:
        end_s = time.monotonic() + duration_s
        self._wait_for(lambda: time.monotonic() > end_s, "a time")

    def _wait_for(self, condition: Callable[[], object], what: str) -> None:
        end_s = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > end_s:
                now_s = time.monotonic()
                raise SpirlError(
                    f"{self._disturbance}: waited {PATIENCE_S:g} s for {what}; {now_s - self._status_s:.1f} s ago the "
                    f"executor's state was {self.status.state}, and it said: {self.status.reason or 'fine'}; the last "
                    f"joint state came {now_s - self._state_s:.1f} s ago. Its diagnostics: {self._diagnosis}"
                )
            self._spinner.spin_once(timeout_sec=0.02)

    def _on_state(self, state: JointState) -> None:
        self._state_s = time.monotonic()
        self._state = JointState(name=state.name, position=list(state.position), velocity=list(state.velocity))
        self.change(state)
        self._held_back.append(state)
        if time.monotonic() > self._silent_until_s:
            for held in self._held_back:
                self._state_publisher.publish(held)
            self._held_back.clear()

    def _on_status(self, status: SkillStatus) -> None:
        is_last_step = status.skill_id == self._skill_id and status.step >= status.skill_horizon - 1
        before, self.status, self._status_s = self.status, status, time.monotonic()
        if self._moves and status.state == SkillStatus.EXECUTING and is_last_step and before.step < status.step:
            self._send_skill()

    def _on_diagnostics(self, array: DiagnosticArray) -> None:
        for status in array.status:
            if status.name.startswith("skill_executor"):
                self._diagnosis = {"message": status.message} | {value.key: value.value for value in status.values}
            if status.name.startswith("stand_in_arm"):
                self._told_ns = stamp_ns(array.header.stamp)  # once a second, the peaks since the time before
                values = {value.key: value.value for value in status.values}
                velocity, acceleration = (
                    float(values.get(f"peak {kind} [share of limit]", "nan")) for kind in ("velocity", "acceleration")
                )
                self._peaks.append((velocity, acceleration))


def main() -> None:
    """Measure."""
    rounds, seed, executor_pid = map(int, sys.argv[1:4])
    enough = json.loads(sys.argv[4])
    use_udp(os.environ)
    rclpy.init(args=[])
    try:
        print(json.dumps(ArmProbe(executor_pid, seed).measure(rounds, enough)), flush=True)
    except SpirlError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
