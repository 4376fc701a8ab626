"""A simulated arm and its scene behind the topics that a ros2_control arm offers."""

import math
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, String
from trajectory_msgs.msg import JointTrajectory

from spirl_msgs.msg import SceneState, TaskStatus
from spirl_msgs.srv import ResetScene, SetTask
from spirl_ros.arms.mujoco_arm import MujocoArm, SimulatedStep
from spirl_ros.control.event_rate import EventRate
from spirl_ros.control.periodic_thread import PeriodicThread
from spirl_ros.demonstrations.self_descriptions import SIMULATOR_DESCRIPTION, describe_simulator
from spirl_ros.errors import CommandError, ConfigError, SpirlError
from spirl_ros.nodes.graph.camera_topics import COMPRESSIONS, NO_COMPRESSION, CameraTopics
from spirl_ros.nodes.graph.managed_node import ERROR, OK, WARN, ManagedNode, run
from spirl_ros.nodes.graph.message_thread import MessageThread, Topic
from spirl_ros.nodes.graph.messages import (
    COMMAND_QOS,
    LATCHED_QOS,
    from_joint_trajectory,
    stamp_ns,
    to_joint_state,
    to_scene_state,
    to_stamp,
    to_task_status,
)
from spirl_ros.nodes.graph.parameters import parameter, read_parameters
from spirl_ros.nodes.graph.single_instance import GraphLock, refuse_second_clock
from spirl_ros.tasks.families import DEFAULT_FAMILY, split_task
from spirl_ros.tasks.mujoco_environment import MujocoEnvironment
from spirl_ros.tasks.progress import COUNTS
from spirl_ros.tasks.task import NO_NOISE, EpisodeConfig

LOCKSTEP_REPEAT_S = 0.5
"""In lockstep, how often the last state is repeated while no command comes [s], for those who joined late."""


@dataclass(frozen=True)
class MujocoSimConfig:
    """Parameters of the simulator."""

    task: str = parameter(
        DEFAULT_FAMILY, "[FAMILY:]TASK: task by name, or target subtasks in order, separated by commas"
    )
    count: str = parameter("ordered", "which completed subtasks are rewarded", choices=COUNTS)
    max_steps: int = parameter(0, "control steps until an episode is truncated; 0 for the family's own", minimum=0)
    rate: str = parameter(
        "realtime",
        "realtime: simulated time keeps up with the steady clock. lockstep: one control step per command",
        choices=("realtime", "lockstep"),
    )
    state_rate_hz: float = parameter(
        100.0,
        "how often the state is published in realtime [Hz]; must divide the rate of physics",
        minimum=1.0,
        maximum=500.0,
    )
    seed: int = parameter(0, "seed of the first episode's noise; resets without a seed count up from it", minimum=0)
    observation_noise: bool = parameter(True, "measurements have the noise of the family's sensors")
    discovery_s: float = parameter(
        1.0, "how long to look for another machine's simulator before starting [s]", minimum=0.0, maximum=60.0
    )
    compressed_pictures: str = parameter(
        NO_COMPRESSION,
        "pictures of cameras are also published on camera/SOURCE/image_raw/compressed: png keeps every bit, jpeg is "
        "smaller",
        choices=(NO_COMPRESSION, *COMPRESSIONS),
    )
    frame_id: str = parameter("world", "frame of the scene's positions")
    position_controller: str = parameter(
        "forward_position_controller", "position set-points are taken from <name>/commands"
    )
    trajectory_controller: str = parameter(
        "joint_trajectory_controller", "trajectories are taken from <name>/joint_trajectory"
    )


class MujocoSim(ManagedNode):
    """Carries commands to a MujocoArm and its state to topics.

    In realtime a thread advances the simulation; in lockstep each command does, in the thread that takes commands in. A
    lock keeps them and the services apart. Commands are taken reliably and only the newest counts. In realtime nobody
    waits for pictures; in lockstep each is there before the state of its moment.
    """

    def __init__(self) -> None:
        """Declare the parameters."""
        super().__init__("mujoco_sim", MujocoSimConfig)
        self._lock = threading.RLock()
        self._thread: PeriodicThread | None = None
        self._takes_commands = False
        self._refused_commands = 0
        self._last_refusal = ""
        self._reported_time_ns = 0
        self._real_time_factor = float("nan")
        self._state_rate, self._command_rate = EventRate("joint states"), EventRate("commands")
        self._commanded_s = -math.inf

    def configure(self) -> None:
        """Load the scene and open topics and services."""
        # First of all, so that a second graph ends before its other nodes reach the first one's arm.
        self._graph_lock = GraphLock(self)
        try:
            self._load()
        except Exception:
            self._graph_lock.release()
            raise

    def _load(self) -> None:
        self._config = config = read_parameters(self, MujocoSimConfig)
        family, task = split_task(config.task)
        noise = None if config.observation_noise else NO_NOISE
        environment = family.environment(EpisodeConfig(task.text, config.count, config.max_steps or None, noise=noise))
        if not isinstance(environment, MujocoEnvironment):
            raise ConfigError(
                f"task family {family.name} has no simulator in MuJoCo, so nothing can be simulated here. Start the "
                "driver of its arm instead, or make the family a MujocoFamily: docs/new_task.md."
            )
        self._next_seed = config.seed
        environment.reset(config.seed)
        self._arm = MujocoArm(environment)
        self._physics_steps_per_tick = self._arm.physics_steps_per_tick(config.state_rate_hz)
        self._clock_publisher = self.create_publisher(Clock, "clock", 1)
        self._joint_state_publisher = self.create_publisher(JointState, "joint_states", 10)
        self._scene_state_publisher = self.create_publisher(SceneState, "scene_state", 10)
        self._cameras = CameraTopics(
            self,
            environment,
            # What a family draws itself takes no longer than a message of it.
            is_waited_for=config.rate == "lockstep" or environment.cameras is None,
            compression=config.compressed_pictures,
            on_error=self.fail,
        )
        self._task_status_publisher = self.create_publisher(TaskStatus, "task_status", LATCHED_QOS)
        self._description_publisher = self.create_publisher(String, SIMULATOR_DESCRIPTION, LATCHED_QOS)
        self._commands = MessageThread(
            self,
            [
                Topic(Float64MultiArray, f"{config.position_controller}/commands", self._on_positions, COMMAND_QOS),
                Topic(
                    JointTrajectory,
                    f"{config.trajectory_controller}/joint_trajectory",
                    self._on_trajectory,
                    COMMAND_QOS,
                ),
            ],
            self.fail,
        )
        self._services_of_arm = [
            self.create_service(ResetScene, "reset_scene", self._on_reset_scene),
            self.create_service(SetTask, "set_task", self._on_set_task),
        ]

    def activate(self) -> None:
        """Let time pass."""
        refuse_second_clock(self, self._clock_publisher.topic_name, self._config.discovery_s)
        with self._lock:
            # From the first state on, every command counts.
            self._takes_commands = True
            self._commands.start()
            noise = asdict(self._arm.environment.noise)
            self._description_publisher.publish(String(data=describe_simulator(noise)))
            self._publish(SimulatedStep(self._arm.environment.measurement, None), is_reset=True)
            if self._config.rate == "lockstep":
                self._repeat_timer = self.create_timer(LOCKSTEP_REPEAT_S, self._repeat, clock=self.steady_clock)
        if self._config.rate == "realtime":
            period_s = self._physics_steps_per_tick * self._arm.environment.scene.model.opt.timestep
            self._thread = PeriodicThread("physics", period_s, self._on_tick, self.fail)
            self._thread.start()
        self.get_logger().info(
            f"task {self._config.task}, {self._config.rate}; waiting for commands on "
            f"{', '.join(self._commands.topic_names)}"
        )

    def deactivate(self) -> None:
        """Stop time."""
        self._takes_commands = False
        self._commands.stop()
        if self._thread is not None:
            self._thread.stop()
            self._thread = None
        else:
            self.destroy_timer(self._repeat_timer)
        self._cameras.finish()

    def cleanup(self) -> None:
        """Close topics and services and forget the scene."""
        for publisher in (
            self._clock_publisher,
            self._joint_state_publisher,
            self._scene_state_publisher,
            self._task_status_publisher,
            self._description_publisher,
        ):
            self.destroy_publisher(publisher)
        self._cameras.close()
        self._commands.close()
        for service in self._services_of_arm:
            self.destroy_service(service)
        self._graph_lock.release()

    def diagnose(self) -> tuple[bytes, str, dict[str, object]]:
        """Real-time factor, lateness and refused commands."""
        if not self.is_active:
            return OK, "not active", {}
        with self._lock:
            values: dict[str, object] = {
                "rate": self._config.rate,
                "simulated time [s]": self._arm.time_s,
                "episode": self._arm.episode,
                "refused commands": self._refused_commands,
                "last refusal": self._last_refusal,
                **self._state_rate.diagnose(self.now_s()),
                **self._command_rate.diagnose(self.now_s()),
                "command age [s]": self.now_s() - self._commanded_s,
            }
            simulated_s = (self._arm.time_ns - self._reported_time_ns) * 1e-9
            self._reported_time_ns = self._arm.time_ns
        level, message = (WARN, f"command refused: {self._last_refusal}") if self._last_refusal else (OK, "simulating")
        if self._cameras.sources:
            values |= {"cameras": ", ".join(self._cameras.sources), "pictures left out": self._cameras.left_out}
        if self._cameras.fault and level == OK:
            level, message = WARN, self._cameras.fault
        self._last_refusal = ""
        if self._thread is not None:
            timing = self._thread.timing()
            self._real_time_factor = simulated_s / timing.duration_s
            values |= {
                "real-time factor": self._real_time_factor,
                "worst lateness [ms]": timing.worst_lateness_s * 1e3,
                "missed ticks": timing.missed,
            }
            if timing.missed and level == OK:
                level, message = WARN, f"missed ticks in the last second: {timing.missed}"
            if self._real_time_factor < 0.95:
                level, message = ERROR, f"too slow for real time: factor {self._real_time_factor:.2f}"
        return level, message, values

    def _on_tick(self) -> None:
        with self._lock:
            self._publish(self._arm.advance(self._physics_steps_per_tick))

    def _on_positions(self, message: Float64MultiArray) -> None:
        self._command(lambda: self._arm.command_positions(np.asarray(message.data)))

    def _on_trajectory(self, message: JointTrajectory) -> None:
        def command() -> None:
            start_ns = stamp_ns(message.header.stamp)
            trajectory = from_joint_trajectory(message, self._arm.joint_names)
            self._arm.command_trajectory(trajectory, start_ns * 1e-9 if start_ns else None)

        self._command(command)

    def _command(self, command: Callable[[], None]) -> None:
        with self._lock:
            if not self._takes_commands:
                return
            try:
                command()
            except CommandError as error:
                self._refused_commands += 1
                self._last_refusal = str(error)
                self.get_logger().error(f"command refused, the arm holds: {error}", throttle_duration_sec=1.0)
                return
            self._commanded_s = self.now_s()
            self._command_rate.mark(self._commanded_s)
            if self._config.rate == "lockstep":
                self._publish(self._arm.advance_control_step())
                self._repeat_timer.reset()

    def _on_reset_scene(self, request: ResetScene.Request, response: ResetScene.Response) -> ResetScene.Response:
        if not self.is_active:
            response.message = "The simulator is not active. Activate it first: ros2 lifecycle set <node> activate."
            return response
        with self._lock:
            if not request.use_seed:
                self._next_seed += 1
            response.seed = request.seed if request.use_seed else self._next_seed
            self._publish(self._arm.reset(response.seed), is_reset=True)
            response.episode = self._arm.episode
        response.success = True
        return response

    def _on_set_task(self, request: SetTask.Request, response: SetTask.Response) -> SetTask.Response:
        try:
            with self._lock:
                response.subtasks = list(self._arm.set_task(request.task))
        except SpirlError as error:
            response.message = str(error)
            return response
        response.success = True
        response.message = f"The next episode's task is {request.task}."
        return response

    def _publish(self, tick: SimulatedStep, is_reset: bool = False) -> None:
        """Publish the state; call with the lock held."""
        scene, stamp = self._arm.environment.scene, to_stamp(self._arm.time_ns)
        self._joint_state = to_joint_state(
            tick.measurement.joint_positions, tick.measurement.joint_velocities, scene.joint_names, stamp
        )
        self._scene_state = to_scene_state(tick.measurement, scene.observed_scene_names, stamp, self._config.frame_id)
        self._clock_publisher.publish(Clock(clock=stamp))
        if is_reset or tick.step is not None:  # In lockstep a picture is there before the state of its moment.
            self._cameras.publish(stamp)
        self._joint_state_publisher.publish(self._joint_state)
        self._state_rate.mark(self.now_s())
        self._scene_state_publisher.publish(self._scene_state)
        if is_reset or tick.step is not None:
            self._task_status_publisher.publish(to_task_status(self._arm, tick.step, stamp))

    def _repeat(self) -> None:
        with self._lock:
            self._clock_publisher.publish(Clock(clock=self._joint_state.header.stamp))
            self._cameras.repeat(self._joint_state.header.stamp)
            self._joint_state_publisher.publish(self._joint_state)
            self._scene_state_publisher.publish(self._scene_state)


def main() -> None:
    """Run the node."""
    sys.exit(run(MujocoSim))


if __name__ == "__main__":
    main()
