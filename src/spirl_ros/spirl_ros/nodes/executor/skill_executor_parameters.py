"""Parameters of the skill executor."""

from dataclasses import dataclass

from spirl_ros.nodes.graph.parameters import parameter

FORWARD_POSITION, JOINT_TRAJECTORY = "forward_position", "joint_trajectory"
REALTIME, LOCKSTEP = "realtime", "lockstep"
REJECT, REPLACE = "reject", "replace"


@dataclass(frozen=True)
class SkillExecutorConfig:
    """Parameters of the skill executor."""

    bundle: str = parameter("", "folder of the bundle, as `spirl export` wrote it")
    provider: str = parameter("auto", "where the networks run", choices=("auto", "cpu", "cuda"))
    load_patience_s: float = parameter(
        10.0, "a bundle that takes longer to load is given up [s]", minimum=0.5, maximum=600.0
    )
    rate: str = parameter(
        REALTIME,
        "realtime: one command per control period of the steady clock. lockstep: one command per new state of a "
        "simulator that waits for it",
        choices=(REALTIME, LOCKSTEP),
    )
    speed: float = parameter(
        1.0,
        "share of the speed that skills were learned at; below 1 the same motion takes longer",
        minimum=0.02,
        maximum=1.0,
    )
    robot: str = parameter(
        "",
        "arm that the bundle has to fit, with its limits: ur5e, fr3 or generic; empty only for a simulated arm",
    )
    robot_file: str = parameter("", "YAML file with the facts about that arm; needed for generic")
    command_interface: str = parameter(
        FORWARD_POSITION,
        "forward_position: set-points. joint_trajectory: knots with velocities and a braking tail, for real arms",
        choices=(FORWARD_POSITION, JOINT_TRAJECTORY),
    )
    stamp_commands: str = parameter(
        "auto",
        "auto: trajectories bear the arm's time, by the stamps of its joint states, if that is within max_age_s of "
        "this computer's; each goes on from the last without a jolt. never: one begins when the arm receives it",
        choices=("never", "auto"),
    )
    controller_update_period_s: float = parameter(
        0.0,
        "time between two updates of the arm's controller, or more; 0 for what the robot's file says, or 0.01 [s]",
        minimum=0.0,
        maximum=0.1,
    )
    joint_names: str = parameter(
        "",
        "joints in the order of the arm's commands, separated by commas, compared with the bundle; empty accepts the "
        "bundle's",
    )
    joint_state_topic: str = parameter("joint_states", "measured joint states")
    scene_state_topic: str = parameter("scene_state", "measured scene states, for bundles that observe a scene")
    ready_topic: str = parameter(
        "", "std_msgs/Bool topics that must be true for the arm to move, separated by commas; heard at least once"
    )
    fault_topic: str = parameter("", "std_msgs/Bool topics that must not be true, separated by commas")
    activity_topic: str = parameter(
        "", "controller_manager_msgs/ControllerManagerActivity, in which the arm's controller must be active"
    )
    speed_scaling_topic: str = parameter(
        "", "std_msgs/Float64 in percent, the speed slider, which must be at 100 for the arm to move"
    )
    position_controller: str = parameter(
        "forward_position_controller", "position set-points are sent to <name>/commands"
    )
    trajectory_controller: str = parameter(
        "joint_trajectory_controller", "trajectories are sent to <name>/joint_trajectory"
    )
    max_age_s: float = parameter(
        0.06, "observations older than this hold, then brake, then latch [s]", minimum=0.005, maximum=1.0
    )
    tracking_tolerance: float = parameter(
        0.0,
        "a joint measured further than this from where it can be after its last commands stops the arm [rad, m]; 0 "
        "is what the robot's file says; a simulated arm without `robot` is not checked",
        minimum=0.0,
    )
    max_missed: int = parameter(
        2, "more control periods in a row without a command than this stop a skill, then latch", minimum=0
    )
    max_choice_age_s: float = parameter(
        1.0,
        "a skill chosen on an observation older than the newest by more than this is refused [s]: it was held up "
        "on its way, by a broken link or a stopped process",
        minimum=0.05,
    )
    second_goal: str = parameter(REJECT, "what a goal does while another is under way", choices=(REJECT, REPLACE))
    lockstep_patience_s: float = parameter(
        5.0, "in lockstep, a skill without a new state for this long is stopped [s]", minimum=0.5
    )
    realtime_priority: int = parameter(
        50,
        "of the control thread under SCHED_FIFO, where permitted; the other threads get one less; 0 does not ask",
        minimum=0,
        maximum=98,
    )
    discovery_s: float = parameter(
        1.0, "how long to look for another executor of this arm before activation [s]", minimum=0.0, maximum=60.0
    )
    seed: int = parameter(0, "of the latents drawn from the skill prior", minimum=0)

    @property
    def controller(self) -> str:
        """Name of the controller that commands go to."""
        return self.position_controller if self.command_interface == FORWARD_POSITION else self.trajectory_controller
