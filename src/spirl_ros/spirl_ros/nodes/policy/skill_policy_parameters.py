"""Parameters of the skill policy."""

from dataclasses import dataclass

from spirl_ros.control.skill_choice import POLICY, PRIOR, STOP
from spirl_ros.nodes.executor.skill_executor_parameters import LOCKSTEP, REALTIME
from spirl_ros.nodes.graph.parameters import parameter

MEAN, SAMPLE = "mean", "sample"
ON_REQUEST, AT_ONCE = "on_request", "at_once"


@dataclass(frozen=True)
class SkillPolicyConfig:
    """Parameters of the skill policy."""

    bundle: str = parameter("", "folder of the bundle, the same that the skill executor has")
    provider: str = parameter("auto", "where the networks run", choices=("auto", "cpu", "cuda"))
    load_patience_s: float = parameter(
        10.0, "a bundle that takes longer to load is given up [s]", minimum=0.5, maximum=600.0
    )
    rate: str = parameter(
        REALTIME,
        "realtime: the next skill is chosen lead_s before the end of the one under way. lockstep: at its end; "
        "simulated time waits",
        choices=(REALTIME, LOCKSTEP),
    )
    speed: float = parameter(
        1.0, "the skill executor's: below 1 a skill takes longer by that", minimum=0.02, maximum=1.0
    )
    source: str = parameter(POLICY, "who chooses: the high-level policy, or the skill prior", choices=(POLICY, PRIOR))
    latent: str = parameter(MEAN, "what is taken of its Gaussian", choices=(MEAN, SAMPLE))
    fallback: str = parameter(
        PRIOR,
        "when the policy fails or exceeds max_divergence: the prior chooses, or the episodes stop",
        choices=(PRIOR, STOP),
    )
    max_divergence: float = parameter(
        100.0, "largest KL(policy, prior) at an observation [nats]; 0 accepts every one", minimum=0.0
    )
    lead_s: float = parameter(
        0.05,
        "in realtime, how long before the end of a skill the next one is chosen [s]; a longer one forgives a busier "
        "machine, and chooses on an older observation",
        minimum=0.0,
        maximum=1.0,
    )
    start: str = parameter(
        ON_REQUEST,
        "on_request: by run_episode or ~/start. at_once: begin with the activation and end the process after the last "
        "episode, or where one fails; an endless run that was stopped or has failed waits for ~/start",
        choices=(ON_REQUEST, AT_ONCE),
    )
    goes_on: bool = parameter(
        False,
        "for simulation only: an endless run that failed releases the executor's latch and resumes automatically as "
        "soon as it can, unless a person stopped the arm",
    )
    episodes: int = parameter(0, "how many ~/start and at_once run; 0 never ends", minimum=0)
    seed: int = parameter(0, "their first episode's seed; the next ones count up", minimum=0)
    max_steps: int = parameter(
        0,
        "without a task: control steps of an episode, which begins where the arm stands. 0: the scene is reset, "
        "and the task status says when an episode ends",
        minimum=0,
    )
    patience_s: float = parameter(
        3.0, "an episode is given up when anything stands still for this long [s]", minimum=0.5, maximum=600.0
    )
    start_s: float = parameter(
        20.0, "a run is given up when simulator or executor are not there after this time [s]", minimum=0.5
    )
    wait_for_recorder: bool = parameter(False, "begin when a recorder is there that records skills")
    joint_state_topic: str = parameter("joint_states", "measured joint states")
    scene_state_topic: str = parameter("scene_state", "measured scene states, for bundles that observe a scene")
    max_picture_age_s: float = parameter(
        0.2,
        "in realtime, how much older than the state a camera's picture may be that a skill is chosen on [s]",
        minimum=0.0,
        maximum=10.0,
    )
    executor: str = parameter("skill_executor", "name of the skill executor, for its services")
