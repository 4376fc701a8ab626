"""Parameters of teleoperation."""

from dataclasses import dataclass

from spirl_ros.arms.robot_configuration import ROBOTS
from spirl_ros.nodes.executor.skill_executor_parameters import FORWARD_POSITION, JOINT_TRAJECTORY
from spirl_ros.nodes.graph.parameters import parameter
from spirl_ros.tasks.families import DEFAULT_FAMILY
from spirl_ros.teleoperation.gamepad_layout import LAYOUTS


@dataclass(frozen=True)
class TeleopConfig:
    """Parameters of teleoperation; what the robot's configuration says is not said again."""

    robot: str = parameter(
        DEFAULT_FAMILY, f"arm that is moved: a task family's simulated one, or one with a file: {', '.join(ROBOTS)}"
    )
    robot_file: str = parameter("", "configuration like config/robots/generic.yaml, read instead of the robot's own")
    urdf_file: str = parameter("", "file with the arm's URDF; empty for what is published on robot_description")
    command_interface: str = parameter(
        "auto",
        "joint_trajectory: with velocities and a braking tail. forward_position: set-points. auto: that for a "
        "simulated arm, the other for every other arm",
        choices=("auto", JOINT_TRAJECTORY, FORWARD_POSITION),
    )
    stamp_commands: str = parameter("auto", "as of the skill executor", choices=("never", "auto"))
    controller_update_period_s: float = parameter(
        0.0,
        "time between two updates of the arm's controller, or more; 0 for what the robot's file says [s]",
        minimum=0.0,
        maximum=0.1,
    )
    is_stand_in: bool = parameter(
        False, "the arm is a stand_in_arm, which has no controller manager whose activity could be watched"
    )
    keyboard: str = parameter(
        "auto", "auto: keys of the terminal that the graph was started from, if any", choices=("auto", "none")
    )
    keyboard_timeout_s: float = parameter(
        0.15,
        "how long one press of a key moves the tool [s]; must bridge the terminal's key repeat, 25 to 100 ms",
        minimum=0.05,
        maximum=1.0,
    )
    command_timeout_s: float = parameter(
        0.1, "a twist or gamepad message older than this brakes [s]", minimum=0.02, maximum=1.0
    )
    gamepad: str = parameter(
        "xbox",
        "layout of the gamepad on joy: xbox and dualshock as joy_node numbers them, sdl as game_controller_node "
        "numbers any",
        choices=tuple(LAYOUTS),
    )
    gamepad_file: str = parameter("", "file with a layout of one's own, read instead: docs/recording.md")
    frame: str = parameter(
        "world", "axes that keyboard and gamepad move along; twists name theirs", choices=("world", "tool")
    )
    facing_deg: float = parameter(
        0.0,
        "where the person looks, for right and ahead of keys, gamepad and twists of operator_frame: "
        "counter-clockwise from where the arm looks, 180 for somebody who stands before it [degrees]",
        minimum=-180.0,
        maximum=180.0,
    )
    world_frame: str = parameter(
        "world",
        "frame_id of twists along the axes of the world, which is the URDF's root link; an empty one means the same",
    )
    tool_frame: str = parameter("tool", "frame_id of twists along the tool's axes")
    operator_frame: str = parameter(
        "operator", "frame_id of twists along the person's axes, see facing_deg: x ahead, y left, z up"
    )
    linear_speed_m_s: float = parameter(0.2, "speed of the tool at speed 100 % [m/s]", minimum=0.01, maximum=1.0)
    angular_speed_rad_s: float = parameter(0.8, "turning speed at speed 100 % [rad/s]", minimum=0.05, maximum=4.0)
    speed: float = parameter(
        1.0,
        "speed of keys and gamepad to begin with, and the most that twists reach; 1 is 100 %",
        minimum=0.1,
        maximum=2.0,
    )
    max_age_s: float = parameter(
        0.0,
        "joint states older than this hold, then brake [s]; 0 for what the arm's configuration says, 0.25 where "
        "it is simulated",
        minimum=0.0,
    )
    operator_name: str = parameter("", "who demonstrates, stored with recordings")
    task: str = parameter(
        "",
        "[FAMILY:]TASK, whose family's arm is moved unless robot says another; stored with recordings where "
        "no task_status says it",
    )
    position_controller: str = parameter(
        "forward_position_controller", "position set-points are sent to <name>/commands"
    )
    discovery_s: float = parameter(
        1.0, "how long to look for another commander of an arm that is not simulated [s]", minimum=0.0, maximum=60.0
    )
    realtime_priority: int = parameter(
        50, "under SCHED_FIFO, where permitted, of an arm that is not simulated; 0 does not ask", minimum=0, maximum=98
    )
