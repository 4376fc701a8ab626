"""A stand-in for a real arm's driver and controllers: the same topics, no hardware."""

import math
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Float64, Float64MultiArray, String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from spirl_ros.arms.robot_configuration import ROBOTS, WITH_URDF, read_robot, read_urdf
from spirl_ros.arms.stand_in_arm import CONTROLLERS, JOINT_TRAJECTORY, StandInArm, StandInSettings
from spirl_ros.control.event_rate import EventRate
from spirl_ros.control.periodic_thread import PeriodicThread
from spirl_ros.control.realtime_priority import ask_for_process
from spirl_ros.errors import CommandError
from spirl_ros.nodes.graph.managed_node import ERROR, OK, WARN, ManagedNode, run
from spirl_ros.nodes.graph.messages import (
    COMMAND_QOS,
    LATCHED_QOS,
    from_joint_trajectory,
    stamp_ns,
    to_joint_state,
    to_stamp,
)
from spirl_ros.nodes.graph.parameters import parameter, read_parameters
from spirl_ros.shipped import shipped

_CLOCK_TOLERANCE_NS = 1_000_000
"""A difference of two clocks that varies by more has changed."""


@dataclass(frozen=True)
class StandInArmConfig:
    """Parameters of the stand-in; what the robot's configuration says is not said again."""

    robot: str = parameter("ur5e", "whose joints, limits and topics", choices=ROBOTS)
    robot_file: str = parameter("", "configuration like config/robots/generic.yaml, read instead of the robot's own")
    urdf_file: str = parameter("", "file published on robot_description; empty for the shipped one, of ur5e and fr3")
    controller: str = parameter(JOINT_TRAJECTORY, "the controller that is active", choices=CONTROLLERS)
    position_controller: str = parameter(
        "forward_position_controller", "position set-points are taken from <name>/commands"
    )
    update_rate_hz: float = parameter(500.0, "set-points per second, the controller manager's", minimum=50.0)
    state_rate_hz: float = parameter(100.0, "joint states per second", minimum=5.0, maximum=1000.0)
    interpolate_from_desired_state: bool = parameter(True, "the controller's parameter of that name")
    allow_nonzero_velocity_at_trajectory_end: bool = parameter(False, "the controller's parameter of that name")
    decelerate_on_cancel: bool = parameter(
        False, "the controller's parameter constraints.decelerate_on_cancel; UR's has none of its effect"
    )
    begins_early: bool = parameter(
        True, "a trajectory that arrives in motion goes twice as far in its first update, as today's controllers do"
    )
    speed_scaling: float = parameter(
        1.0, "the speed slider to begin with, 1 for full speed; moved by ~/set_speed_scaling", minimum=0.0, maximum=1.0
    )
    servo_lag_s: float = parameter(0.02, "how far the joints follow behind their set-points [s]", minimum=0.0)
    servo_delay_s: float = parameter(0.0, "how long a set-point is under way to the joints [s]", minimum=0.0)
    acceleration_tolerance: float = parameter(
        5.0, "a set-point above so many times the acceleration limit stops the arm for good", minimum=1.0
    )
    realtime_priority: int = parameter(
        0, "under SCHED_FIFO, where permitted, as a driver has it; 0 does not ask", minimum=0, maximum=98
    )


class StandInArmNode(ManagedNode):
    """Carries commands to a StandInArm and its state to topics.

    A thread lets its time pass and publishes; a lock keeps it and the callbacks apart. A command takes effect when it
    arrives, and not with the next state.
    """

    def __init__(self, make_arm: Callable[..., StandInArm] = StandInArm) -> None:
        """Declare the parameters; `make_arm` makes what moves, arguments are StandInArm's."""
        super().__init__("stand_in_arm", StandInArmConfig)
        self._make_arm = make_arm
        self._lock = threading.RLock()
        self._thread: PeriodicThread | None = None
        self._refused_commands = 0
        self._last_refusal = ""
        self._command_rate = EventRate("commands")
        self._commanded_s = -math.inf
        self._clock_difference_ns = 0

    def configure(self) -> None:
        """Read what robot it stands in for, and open topics and services."""
        self._config = config = read_parameters(self, StandInArmConfig)
        file = Path(config.robot_file) if config.robot_file else None
        self._robot = robot = read_robot(config.robot, file)
        settings = StandInSettings(
            controller=config.controller,
            update_period_s=1.0 / config.update_rate_hz,
            interpolate_from_desired_state=config.interpolate_from_desired_state,
            may_end_in_motion=config.allow_nonzero_velocity_at_trajectory_end,
            path_tolerance=robot.path_tolerance,
            begins_early=config.begins_early,
            speed_scaling=config.speed_scaling,
            decelerate_on_cancel=config.decelerate_on_cancel,
            servo_lag_s=config.servo_lag_s,
            servo_delay_s=config.servo_delay_s,
            acceleration_tolerance=config.acceleration_tolerance,
        )
        self._arm = self._make_arm(robot.limits, robot.home, settings, self.now_s())
        self._joint_state_publisher = self.create_publisher(JointState, robot.joint_state_topic, 10)
        self._ready_publisher = self.create_publisher(Bool, robot.ready_topic or "~/ready", LATCHED_QOS)
        self._speed_scaling_publisher = self.create_publisher(
            Float64, robot.speed_scaling_topic or "~/speed_scaling", 1
        )
        self._description_publisher = self.create_publisher(String, "robot_description", LATCHED_QOS)
        if urdf := self._urdf():
            self._description_publisher.publish(String(data=urdf))
        self._subscriptions_of_arm = [
            self.create_subscription(
                JointTrajectory, f"{robot.trajectory_controller}/joint_trajectory", self._on_trajectory, COMMAND_QOS
            ),
            self.create_subscription(Float64, "~/set_speed_scaling", self._on_speed_scaling, COMMAND_QOS),
            self.create_subscription(
                Float64MultiArray, f"{config.position_controller}/commands", self._on_positions, COMMAND_QOS
            ),
        ]
        self._services_of_arm = [
            self.create_service(Trigger, "~/stop", self._on_stop),
            self.create_service(Trigger, "~/recover", self._on_recover),
        ]

    def activate(self) -> None:
        """Let time pass."""
        with self._lock:
            self._arm.advance(self.now_s())
            self._say_ready()
        self._thread = PeriodicThread("arm", 1.0 / self._config.state_rate_hz, self._on_tick, self.fail)
        self._thread.start()
        if self._config.realtime_priority:
            ask_for_process(self._config.realtime_priority)
        self.get_logger().info(
            f"stands in for {self._robot.description}, {self._config.controller} controller; no hardware is moved"
        )

    def deactivate(self) -> None:
        """Stop time, and so the arm."""
        if self._thread is not None:
            self._thread.stop()
            self._thread = None
            if self._config.realtime_priority:
                ask_for_process(0)

    def cleanup(self) -> None:
        """Close topics and services."""
        for publisher in (
            self._speed_scaling_publisher,
            self._joint_state_publisher,
            self._ready_publisher,
            self._description_publisher,
        ):
            self.destroy_publisher(publisher)
        for subscription in self._subscriptions_of_arm:
            self.destroy_subscription(subscription)
        for service in self._services_of_arm:
            self.destroy_service(service)

    def diagnose(self) -> tuple[bytes, str, dict[str, object]]:
        """What was refused, why the arm stands, and how near to its limits it was moved."""
        if not self.is_active:
            return OK, "not active", {}
        with self._lock:
            velocity, acceleration = self._arm.peaks()
            fault, hold_reason = self._arm.fault, self._arm.hold_reason
            rates = self._command_rate.diagnose(self.now_s())
            command_age_s = self.now_s() - self._commanded_s
        values: dict[str, object] = {
            "robot": self._robot.name,
            "controller": self._config.controller,
            "peak velocity [share of limit]": velocity,
            "peak acceleration [share of limit]": acceleration,
            "refused commands": self._refused_commands,
            "last refusal": self._last_refusal,
            "command age [s]": command_age_s,
            **rates,
        }
        missed = 0
        if self._thread is not None:
            timing = self._thread.timing()
            missed = timing.missed
            values |= {
                "joint states [Hz]": timing.ticks / timing.duration_s,
                "worst lateness [ms]": timing.worst_lateness_s * 1e3,
                "missed ticks": missed,
            }
        refusal, self._last_refusal = self._last_refusal, ""
        if fault:
            return ERROR, f"stopped: {fault}", values
        if hold_reason:
            return WARN, f"trajectory given up: {hold_reason}", values
        if refusal:
            return WARN, f"command refused: {refusal}", values
        if missed:
            return WARN, f"missed ticks in the last second: {missed}", values
        return OK, "following", values

    def _urdf(self) -> str:
        """The arm's kinematics, as the vendor's driver publishes them; empty for an arm known by its file alone."""
        config = self._config
        if config.urdf_file:
            return read_urdf(Path(config.urdf_file))
        return read_urdf(shipped(f"config/urdf/{config.robot}.urdf")) if config.robot in WITH_URDF else ""

    def _on_tick(self) -> None:
        with self._lock:
            was_ready = self._arm.is_ready
            now_s, now_ns = self._clocks()
            self._arm.advance(now_s)
            positions, velocities, is_ready = self._arm.positions, self._arm.velocities, self._arm.is_ready
            stamp = to_stamp(now_ns)
            self._joint_state_publisher.publish(
                to_joint_state(positions, velocities, self._robot.limits.joint_names, stamp)
            )
            self._speed_scaling_publisher.publish(Float64(data=100.0 * self._arm.speed_scaling))
            if was_ready and not is_ready:
                self.get_logger().error(
                    f"the arm has stopped: {self._arm.fault}. Call ~/recover when it may move again."
                )
                self._say_ready()

    def _on_trajectory(self, message: JointTrajectory) -> None:
        def command() -> None:
            start_s, start_ns = None, stamp_ns(message.header.stamp)
            if start_ns:
                start_s = self._steady_s(start_ns)
            trajectory = from_joint_trajectory(
                message, self._arm.joint_names, self._config.allow_nonzero_velocity_at_trajectory_end
            )
            self._arm.command_trajectory(trajectory, start_s)

        self._command(command)

    def _steady_s(self, ros_ns: int) -> float:
        """From the ROS clock to the steady one that the arm goes by.

        By the same difference as long as that holds: to read both clocks takes a few microseconds more or less, and a
        trajectory that begins by so much elsewhere than the one before it is a jolt.
        """
        now_s, now_ns = self._clocks()
        difference_ns = now_ns - round(now_s * 1e9)
        if abs(difference_ns - self._clock_difference_ns) > _CLOCK_TOLERANCE_NS:
            self._clock_difference_ns = difference_ns
        return (ros_ns - self._clock_difference_ns) * 1e-9

    def _clocks(self) -> tuple[float, int]:
        """The steady clock [s] and the ROS clock [ns] in one moment.

        Read again where this thread was held up in between: a state that is stamped later than it was is followed by
        one that no joint can have come to by then.
        """
        while True:
            now_s, now_ns = self.now_s(), self.get_clock().now().nanoseconds
            if self.now_s() - now_s < _CLOCK_TOLERANCE_NS * 1e-9:
                return now_s, now_ns

    def _on_positions(self, message: Float64MultiArray) -> None:
        self._command(lambda: self._arm.command_positions(np.asarray(message.data)))

    def _command(self, command: Callable[[], None]) -> None:
        if not self.is_active:
            return
        with self._lock:
            self._arm.advance(self.now_s())
            try:
                command()
                self._commanded_s = self.now_s()
                self._command_rate.mark(self._commanded_s)
            except CommandError as error:
                self._refused_commands += 1
                self._last_refusal = str(error)
                self.get_logger().error(f"command refused: {error}", throttle_duration_sec=1.0)

    def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """What an emergency stop does."""
        with self._lock:
            self._arm.stop("stopped by a service call")
            self._say_ready()
        response.success, response.message = True, "The arm brakes and takes no command until ~/recover."
        return response

    def _on_recover(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        with self._lock:
            self._arm.recover()
            self._say_ready()
        response.success, response.message = True, "The arm takes commands again."
        return response

    def _on_speed_scaling(self, message: Float64) -> None:
        """Somebody moves the slider, 0 to 1."""
        if not 0.0 <= message.data <= 1.0:
            self.get_logger().error(f"speed scaling is {message.data}, expected 0 to 1. It stays where it is.")
            return
        with self._lock:
            self._arm.advance(self.now_s())
            self._arm.speed_scaling = message.data

    def _say_ready(self) -> None:
        self._ready_publisher.publish(Bool(data=self._arm.is_ready))


def main() -> None:
    """Run the node."""
    sys.exit(run(StandInArmNode))


if __name__ == "__main__":
    main()
