import numpy as np
import pytest

from spirl_ros.control.control_loop import STOPPED_BY_PERSON, ControlLoop, LoopState
from spirl_ros.control.joint_limits import JointLimits
from spirl_ros.control.observation_fields import Observation
from spirl_ros.control.safety_filter import FilteredCommand, SafetyState
from spirl_ros.control.skill_model import RunnableSkills
from spirl_ros.control.skill_sequence import Outcome, SkillRequest
from spirl_ros.control.trajectory_knots import arrival_s
from spirl_ros.control.velocity_action import COMMANDED, MEASURED
from spirl_ros.errors import BundleError, CommandError, ObservationError, SkillError

PERIOD_S = 0.1
MAX_AGE_S = 0.1
LIMITS = JointLimits(("a", "b"), *(np.array([value, value]) for value in (-1.0, 1.0, 4.0, 20.0, 100.0)))


class LatentAsAction:
    """Every action is the latent, until it is told to break."""

    def __init__(self) -> None:
        self.is_broken = False

    def decode(self, state: np.ndarray, latent: np.ndarray, step: int) -> np.ndarray:
        return np.full(2, np.nan) if self.is_broken else latent.astype(float)


class FixedPrior:
    def sample(self, observation: Observation, generator: np.random.Generator) -> np.ndarray:
        return np.array([0.25, 0.0]) + 0.0 * generator.standard_normal(2)


def make_model(name: str = "first", **changes) -> RunnableSkills:
    settings = {
        "decoder": LatentAsAction(),
        "prior": FixedPrior(),
        "skill_horizon": 3,
        "latent_size": 2,
        "observation_names": ("a", "b", "door"),
        "limits": LIMITS,
        "velocity_scale": 2.0,
        "control_period_s": PERIOD_S,
    }
    return RunnableSkills(name, **(settings | changes))


class Arm:
    """A loop and an arm that is where it was sent when the next period begins, on a clock of its own."""

    def __init__(self, **settings) -> None:
        self.decoder = LatentAsAction()
        model = settings.pop("model", None) or make_model(decoder=self.decoder)
        self.loop = ControlLoop(model, settings.pop("max_age_s", MAX_AGE_S), np.random.default_rng(0), **settings)
        self.now_s, self.positions, self.sent = 10.0, np.array([0.1, -0.2]), []
        self.goal = self.positions
        self.error = np.zeros(2)
        """Of the measurement."""
        self.reports = []

    def drift(self, way: np.ndarray) -> None:
        """Somebody else moves the arm, as slowly as it takes for no joint to leap."""
        for _ in range(10):
            self.goal = self.goal + way / 10.0
            self.tick()

    def measure(self) -> None:
        stamp_ns = round(self.now_s * 1e9)
        measured = (self.positions + self.error)[::-1]
        self.loop.update_joint_state(("b", "a"), list(measured), stamp_ns, self.now_s)
        self.loop.update_scene_state(("door",), (0.0,), stamp_ns, self.now_s)

    def tick(self, measures: bool = True):
        self.now_s += PERIOD_S
        self.positions = self.goal
        if measures:
            self.measure()
        tick = self.loop.step(self.now_s)
        if tick.command is not None:
            self.goal = tick.command.joint_positions
            self.sent.append(self.goal)
        self.reports += tick.reports
        return tick

    def command(self, measures: bool = True) -> FilteredCommand:
        """A tick that has to send something."""
        command = self.tick(measures).command
        assert command is not None
        return command

    def begin(self) -> None:
        """Until it was taken over, which takes a while of measurements."""
        while "without a leap" in self.tick().reason or self.loop.is_taking_over:
            pass

    def execute(self, *latent: float, **settings) -> None:
        self.measure()
        self.loop.execute(SkillRequest(np.array(latent)), self.now_s, **settings)


def begun(**settings) -> Arm:
    arm = Arm(**settings)
    arm.begin()
    return arm


def test_first_command_is_the_measured_position_and_then_silence():
    arm = Arm()
    tick = arm.tick(measures=False)
    assert tick.command is None and "waiting for the arm's state" in tick.reason
    arm.begin()
    np.testing.assert_array_equal(arm.sent, [[0.1, -0.2]])
    assert [arm.tick().command for _ in range(3)] == [None] * 3
    assert arm.loop.state is LoopState.IDLE


def test_skill_sends_one_command_per_step_and_reports_one_step_later():
    arm = begun()
    arm.execute(0.5, 0.0)
    commands = [arm.command() for _ in range(3)]
    # Action 0.5 is 1 rad/s, so 0.1 rad per step.
    np.testing.assert_allclose([command.joint_positions[0] for command in commands], [0.2, 0.3, 0.4])
    assert arm.reports == [] and arm.loop.state is LoopState.EXECUTING
    arm.loop.skills.add_step_result(1.0, False, False)
    last = arm.command()
    (report,) = arm.reports
    assert (report.outcome, report.steps, report.reward, report.message) == (Outcome.COMPLETED, 3, 1.0, "")
    # From 1 rad/s to rest takes one step of 20 rad/s²: the arm stays, and then nothing is sent.
    assert not last.joint_velocities.any() and arm.loop.state is LoopState.IDLE
    assert arm.tick().command is None


def test_next_skill_takes_over_without_a_gap():
    arm = begun()
    arm.execute(0.5, 0.0)
    arm.tick()
    arm.execute(-0.5, 0.0)
    arm.tick()
    arm.tick()
    assert arm.loop.skills.steps_done == 3
    np.testing.assert_allclose(arm.command().joint_velocities, [-1.0, 0.0])
    assert len(arm.reports) == 1 and arm.loop.skills.steps_done == 1


def test_replacing_ends_the_skill_under_way_without_braking():
    arm = begun()
    arm.execute(0.5, 0.0)
    arm.tick()
    arm.execute(0.0, 0.5, replace=True)
    np.testing.assert_allclose(arm.command().joint_velocities, [0.0, 1.0], atol=1e-12)
    assert [(report.outcome, report.steps) for report in arm.reports] == [(Outcome.CANCELED, 1)]


def test_prior_draws_the_latent_at_the_first_step():
    arm = begun()
    arm.measure()
    arm.loop.execute(SkillRequest(None), arm.now_s)
    arm.tick()
    np.testing.assert_array_equal(arm.loop.skills.latent, [0.25, 0.0])


@pytest.mark.parametrize(
    ("latent", "reason"), [([0.0], "expected"), ([np.nan, 0.0], "finite"), ([np.inf, 0.0], "finite")]
)
def test_bad_latent_is_refused_and_nothing_moves(latent, reason):
    arm = begun()
    with pytest.raises(SkillError, match=reason):
        arm.execute(*latent)
    assert arm.tick().command is None


def test_skill_that_was_held_up_on_its_way_is_refused():
    """A broken link that was mended brought a skill whose chooser had given up seconds ago: the arm moved off by
    itself."""
    arm = begun(max_choice_age_s=1.0)
    observed_ns = arm.loop.observation.measured_ns
    for _ in range(10):
        arm.tick()
    latent = np.array([0.1, 0.1])
    arm.loop.check(SkillRequest(latent, observed_ns=observed_ns), arm.now_s)  # 1.0 s
    arm.tick()
    with pytest.raises(SkillError, match="1.100 s older than the newest, expected at most 1.000 s"):
        arm.loop.check(SkillRequest(latent, observed_ns=observed_ns), arm.now_s)
    arm.loop.check(SkillRequest(latent), arm.now_s)  # by hand, chosen on none


def test_cancel_brakes_and_the_next_skill_is_taken():
    arm = begun()
    arm.execute(0.9, 0.0)
    arm.tick()
    arm.loop.cancel("enough")
    speeds = [1.8]
    while not arm.reports:
        speeds.append(arm.command().joint_velocities[0])
    assert speeds == sorted(speeds, reverse=True) and speeds[-1] == 0.0 and len(speeds) > 2
    assert (arm.reports[0].outcome, arm.reports[0].message) == (Outcome.CANCELED, "enough")
    assert arm.loop.state is LoopState.IDLE and arm.tick().command is None
    rest = arm.goal[0]
    arm.execute(0.1, 0.0)
    command = arm.command()
    # The filter holds no latch: 0.1 of 2 rad/s is 0.02 rad in one period.
    assert command.state is SafetyState.PASSED and command.joint_positions[0] == pytest.approx(rest + 0.02)


def test_stop_latches_until_reset_and_nothing_begins_by_itself():
    arm = begun()
    arm.execute(0.5, 0.0)
    arm.tick()
    arm.execute(0.5, 0.5)  # waits for its turn
    arm.loop.stop("hand on the button")
    for _ in range(5):
        arm.tick()
    assert arm.loop.state is LoopState.LATCHED
    assert [report.outcome for report in arm.reports] == [Outcome.STOPPED] * 2
    with pytest.raises(SkillError, match="latched: hand on the button"):
        arm.execute(0.1, 0.1)
    arm.loop.reset(arm.now_s)
    sent = len(arm.sent)
    for _ in range(3):
        arm.tick()
    assert len(arm.sent) == sent + 1  # the measured position
    assert arm.loop.state is LoopState.IDLE


@pytest.mark.parametrize("time_waits", [False, True])
def test_stop_latches_also_before_the_arm_was_taken_over_and_after_a_reset_of_the_scene(time_waits: bool):
    """It did nothing there but answer that the arm would stay at rest; the next skill moved it."""
    for arm in (Arm(time_waits=time_waits), begun(time_waits=time_waits)):
        arm.loop.begin_episode("the scene was reset")
        arm.loop.stop("hand on the button")
        assert arm.tick().command is None and arm.loop.state is LoopState.LATCHED
        with pytest.raises(SkillError, match="latched: hand on the button"):
            arm.execute(0.1, 0.1)
        arm.loop.reset(arm.now_s)
        arm.execute(0.1, 0.1)
        # Where time waits, the first command is the skill's, 0.02 further; else the measured positions.
        expected = np.array([0.1, -0.2]) + (0.02 if time_waits else 0.0)
        arm.sent.clear()
        while not arm.sent:
            arm.tick()
        np.testing.assert_allclose(arm.sent[0], expected, atol=1e-8)


@pytest.mark.parametrize("tracking_tolerance", [None, 0.04])
@pytest.mark.parametrize("braking_steps", [0, 6])
def test_no_news_of_a_scene_or_a_driver_releases_a_latch(tracking_tolerance: float | None, braking_steps: int):
    """Neither while the arm still brakes nor when it is at rest: that is for a person, or whoever acts for one."""
    arm = begun(tracking_tolerance=tracking_tolerance)
    arm.execute(0.9, 0.0)
    arm.tick()
    arm.loop.stop("hand on the button")
    for _ in range(braking_steps):
        arm.tick()
    arm.loop.begin_episode("the scene was reset")
    for _ in range(6):
        arm.tick()
    arm.now_s -= 1.0  # the driver was started again
    tick = arm.tick()
    assert (tick.state, tick.reason, tick.command) == (LoopState.LATCHED, "hand on the button", None)
    with pytest.raises(SkillError, match="latched: hand on the button"):
        arm.execute(0.1, 0.1)


def test_stop_before_a_cancel_has_braked_still_latches():
    arm = begun()
    arm.execute(0.9, 0.0)
    arm.tick()
    arm.loop.cancel("enough")
    arm.loop.stop("hand on the button")
    for _ in range(6):
        arm.tick()
    assert arm.loop.state is LoopState.LATCHED


def test_latch_of_a_fault_becomes_that_of_the_person_who_asks_for_a_stop():
    """A simulation releases the latch of a fault by itself, and would have released the person's with it."""
    arm = begun()
    arm.loop.stop("data is 1.192 s old")
    for reason in (STOPPED_BY_PERSON, "data is 1.2 s old"):
        arm.loop.stop(reason)
        tick = arm.tick()
        assert (tick.state, tick.reason) == (LoopState.LATCHED, STOPPED_BY_PERSON)


def test_stale_observation_brakes_at_once_and_then_latches():
    arm = begun()
    arm.execute(0.5, 0.0)
    arm.tick()
    first = arm.tick(measures=False)  # 0.1 s old: still good
    assert first.state is LoopState.EXECUTING and not first.reason
    second = arm.tick(measures=False)
    assert "0.200 s old" in second.reason
    assert second.command is not None and second.command.joint_velocities[0] < 1.0
    for _ in range(4):
        arm.tick(measures=False)
    assert arm.loop.state is LoopState.LATCHED
    assert arm.reports[0].outcome is Outcome.STOPPED and arm.reports[0].steps == 2
    with pytest.raises(CommandError, match="the latch stays"):
        arm.loop.reset(arm.now_s)
    arm.measure()
    arm.loop.reset(arm.now_s)


def test_control_thread_that_was_held_up_stops_the_skill_for_good():
    arm = begun()
    arm.execute(0.5, 0.0)
    arm.tick()
    arm.measure()
    assert arm.loop.step(arm.now_s, missed=2).state is LoopState.EXECUTING
    arm.measure()
    tick = arm.loop.step(arm.now_s, missed=3)
    assert tick.reason == "3 control periods were missed" and tick.state >= LoopState.BRAKING


def test_arm_that_braked_by_itself_is_not_asked_to_catch_up():
    arm = begun(has_braking_tail=True)
    arm.execute(0.5, 0.0)
    for _ in range(2):
        before = arm.command()
    arm.positions = arm.goal
    arm.now_s += 2.0 * PERIOD_S
    arm.measure()
    after = arm.loop.step(arm.now_s, missed=1).command
    assert after is not None
    # At 1 rad/s it stops within 0.05 s (20 rad/s²): the next period begins from rest and ends at 1 rad/s again. Two
    # periods without the tail would be 0.2 rad; here it is the 0.025 rad of braking, less the half period that the arm
    # is behind its commands (0.05 rad), and one period of 0.1 rad.
    assert 0.05 < after.joint_positions[0] - before.joint_positions[0] < 0.1


def test_arm_that_holds_its_set_point_goes_on_from_there_after_a_missed_period():
    """Without a braking tail it does not brake by itself: to reckon with that would make it stutter."""
    arm = begun()
    arm.execute(0.5, 0.0)
    for _ in range(2):
        before = arm.command()
    arm.positions = arm.goal
    arm.now_s += 2.0 * PERIOD_S
    arm.measure()
    after = arm.loop.step(arm.now_s, missed=1).command
    assert after is not None and after.state is SafetyState.PASSED
    # At 1 rad/s, 0.1 rad in one period.
    assert after.joint_positions[0] - before.joint_positions[0] == pytest.approx(0.1)
    assert after.joint_velocities[0] == pytest.approx(1.0)


def test_short_gap_is_forgiven():
    arm = begun()
    arm.execute(0.2, 0.0)
    arm.tick()
    arm.tick(measures=False)
    arm.tick(measures=False)
    for _ in range(2):
        arm.tick()
    assert [report.outcome for report in arm.reports] == [Outcome.COMPLETED]


def test_waiting_skill_does_not_begin_when_states_come_back():
    arm = begun()
    arm.execute(0.5, 0.0)
    arm.now_s += 5.0
    arm.tick(measures=False)
    assert arm.reports[0].outcome is Outcome.STOPPED
    arm.tick()
    assert arm.tick().command is None


def test_decoder_that_breaks_stops_the_arm_with_the_reason():
    arm = begun()
    arm.execute(0.5, 0.0)
    arm.tick()
    arm.decoder.is_broken = True
    for _ in range(6):
        arm.tick()
    assert arm.loop.state is LoopState.LATCHED and np.isfinite(arm.sent).all()
    assert "the decoder gives" in arm.reports[0].message


def test_what_the_task_says_before_a_skill_has_decoded_anything_is_not_of_that_skill():
    arm = begun()
    arm.decoder.is_broken = True
    arm.execute(0.1, 0.0)
    assert arm.command().state is SafetyState.HOLDING  # begun, and nothing decoded
    arm.loop.skills.add_step_result(1.0, True, False)
    arm.decoder.is_broken = False
    for _ in range(4):
        arm.tick()
    (report,) = arm.reports
    assert (report.steps, report.reward, report.terminated) == (3, 0.0, False)


def test_skill_that_waits_behind_a_fault_never_begins():
    """Not even after the release of the latch: nothing begins by itself."""
    arm = begun()
    arm.decoder.is_broken = True
    arm.execute(0.2, 0.0)
    arm.tick()
    arm.execute(0.5, 0.5)
    while arm.loop.state is not LoopState.LATCHED:
        arm.tick()
    assert [(report.outcome, report.steps) for report in arm.reports] == [(Outcome.STOPPED, 0)] * 2
    arm.decoder.is_broken = False
    arm.loop.reset(arm.now_s)
    for _ in range(3):
        arm.tick()
    assert arm.loop.state is LoopState.IDLE and not arm.loop.arm.is_moving


def test_observation_from_the_future_is_not_fresh():
    """A simulator that begins anew sets its clock back, and what was measured before seems to come later."""
    arm = begun()
    arm.execute(0.5, 0.0)
    arm.tick()
    tick = arm.loop.step(arm.now_s - 1.0)
    assert tick.command is not None and "fresh" in tick.command.reason
    assert arm.loop.skills.steps_done == 1  # nothing was decoded on it


def test_state_from_the_past_is_refused_while_an_arm_brakes_whose_time_waits():
    arm = begun(time_waits=True)
    arm.execute(0.5, 0.0)
    for _ in range(4):
        arm.tick()
    assert arm.loop.skills.current is None and arm.loop.arm.is_moving
    arm.loop.stop("hand on the button")
    arm.now_s -= 1.0
    with pytest.raises(ObservationError, match="clock set back"):
        arm.measure()


def test_skill_that_replaces_another_in_the_middle_of_an_action_begins_with_its_own():
    arm = begun(model=make_model(commands_per_step=4, action_reference=COMMANDED))
    arm.execute(0.1, 0.0)
    for _ in range(2):
        arm.tick()
    assert arm.loop.arm.is_on_its_way
    arm.execute(0.0, 0.1, replace=True)
    velocities = arm.command().joint_velocities
    # 0.1 of 2 rad/s, of the other joint at once.
    np.testing.assert_allclose(velocities, [0.0, 0.2], atol=1e-6)


def test_end_of_the_episode_ends_the_skill():
    arm = begun()
    arm.execute(0.1, 0.0)
    arm.tick()
    arm.loop.skills.add_step_result(1.0, True, False)
    arm.tick()
    (report,) = arm.reports
    assert (report.steps, report.reward, report.terminated, report.truncated) == (1, 1.0, True, False)
    assert report.outcome is Outcome.COMPLETED and "episode ended after 1 steps" in report.message


def test_new_episode_of_a_simulated_arm_begins_at_the_measured_positions():
    arm = begun(tracking_tolerance=None)
    arm.execute(0.5, 0.0)
    arm.tick()
    arm.goal = np.array([-0.7, 0.7])
    arm.loop.begin_episode("the scene was reset")
    np.testing.assert_array_equal(arm.command().joint_positions, [-0.7, 0.7])
    assert (arm.reports[0].outcome, arm.reports[0].message) == (Outcome.STOPPED, "the scene was reset")


@pytest.mark.parametrize("time_waits", [False, True])
def test_news_of_a_reset_that_overtakes_the_arms_state_does_not_take_it_over_where_it_was(time_waits: bool):
    """The first command led from there: the arm went a way of its own in 2 of 40 episodes on a busy machine."""
    arm = begun(tracking_tolerance=None, time_waits=time_waits)
    arm.execute(0.5, 0.0)
    arm.tick()
    begins_ns = round((arm.now_s + PERIOD_S) * 1e9)
    arm.loop.begin_episode("the scene was reset", begins_ns)
    tick = arm.loop.step(arm.now_s)
    assert tick.command is None and "the newest is of before the scene was reset" in tick.reason
    arm.goal = np.array([-0.7, 0.7])
    arm.loop.execute(SkillRequest(np.array([0.1, 0.1]), observed_ns=begins_ns), arm.now_s)
    first = arm.command().joint_positions
    # Where time waits, the first command is the skill's, 0.02 further; else the measured positions.
    np.testing.assert_allclose(first, np.array([-0.7, 0.7]) + (0.02 if time_waits else 0.0), atol=1e-8)


def test_skill_that_overtook_the_news_of_a_reset_is_kept_and_one_chosen_before_is_not():
    for ahead_s, message in ((PERIOD_S, ""), (0.0, "the scene was reset")):
        arm = begun(time_waits=True)
        arm.measure()
        begins_ns = round((arm.now_s + PERIOD_S) * 1e9)
        observed_ns = round((arm.now_s + ahead_s) * 1e9)
        arm.loop.execute(SkillRequest(np.array([0.1, 0.1]), observed_ns=observed_ns), arm.now_s)
        assert arm.loop.is_ahead == (ahead_s > 0.0)
        arm.loop.begin_episode("the scene was reset", begins_ns)
        for _ in range(4):
            arm.tick()
        (report,) = arm.reports
        assert (report.message, report.steps) == (message, 0 if message else 3)


def test_states_from_the_past_are_refused_while_a_skill_is_under_way():
    arm = begun()
    arm.execute(0.1, 0.0)
    arm.tick()
    arm.now_s -= 1.0
    with pytest.raises(ObservationError, match="clock set back"):
        arm.measure()


def test_restarted_clock_is_taken_when_idle():
    arm = begun()
    arm.now_s = 1.0
    arm.goal = np.array([0.5, 0.5])
    arm.begin()
    np.testing.assert_array_equal(arm.sent[-1], [0.5, 0.5])


def test_where_time_waits_only_skills_and_braking_send_commands():
    arm = begun(time_waits=True)
    assert arm.sent == []
    arm.execute(0.5, 0.0)
    for _ in range(6):
        arm.tick()
    assert len(arm.sent) == 3 and arm.loop.arm.is_moving
    arm.execute(0.5, 0.0)
    arm.tick()
    arm.loop.cancel("enough")
    while arm.loop.arm.is_moving:
        arm.tick()
    assert arm.loop.state is LoopState.IDLE


def test_bundle_is_swapped_at_the_boundary():
    arm = begun()
    arm.execute(0.1, 0.0)
    arm.tick()
    assert not arm.loop.swap(make_model("second", skill_horizon=2))
    arm.execute(0.1, 0.0)
    arm.tick()
    assert arm.loop.skills.model.name == "first"
    for _ in range(2):
        arm.tick()
    assert arm.loop.skills.model.name == "second"
    for _ in range(2):
        arm.tick()
    assert [report.steps for report in arm.reports] == [3, 2]
    assert arm.loop.swap(make_model("third"))


def test_bundle_for_another_arm_is_refused():
    loop = begun().loop
    slower = JointLimits(("a", "b"), *(np.array([value, value]) for value in (-1.0, 1.0, 2.0, 20.0, 100.0)))
    for changes, reason in (
        ({"limits": slower}, "another velocity"),
        ({"control_period_s": 0.2}, "control_period_s"),
        ({"observation_names": ("a", "b", "window")}, "observation_names"),
        ({"observation_names": ("door", "a", "b")}, "joints first"),
    ):
        with pytest.raises(BundleError, match=reason):
            loop.swap(make_model("other", **changes))
    assert loop.skills.model.name == "first"


def test_random_skills_and_faults_never_leave_the_limits():
    generator = np.random.default_rng(3)
    arm = begun()
    for _ in range(3000):
        if arm.loop.state is LoopState.LATCHED:
            arm.measure()
            arm.loop.reset(arm.now_s)
        kind = generator.integers(0, 12)
        if kind == 0:
            arm.loop.cancel("random")
        elif kind == 1:
            arm.loop.stop("random")
        elif kind > 6 and arm.loop.state < LoopState.BRAKING:
            arm.execute(*generator.normal(0.0, 3.0, 2), replace=bool(kind % 2))
        arm.tick(measures=kind != 2)
    positions = np.array(arm.sent)
    velocities = np.diff(positions, axis=0) / PERIOD_S
    assert np.abs(positions).max() <= 1.0 and np.abs(velocities).max() <= 4.0 * (1.0 + 1e-6)
    assert len(positions) > 2000 and arm.loop.arm.interventions > 100


def test_episode_that_changes_in_motion_brakes_and_the_next_skill_goes_on_from_there():
    """The set-point became the measured position at rest while the arm moved: 43 to 143 rad/s² of 4 allowed."""
    arm = begun()
    arm.execute(0.9, 0.0)
    arm.tick()
    arm.tick()
    arm.loop.begin_episode("the episode changed")
    velocities = [1.8]
    while not arm.reports:
        velocities.append(arm.command().joint_velocities[0])
    # 20 rad/s² over 0.1 s is at most 2 rad/s less each time; the jerk makes it 0.2, 0.3 … of it.
    assert velocities == sorted(velocities, reverse=True) and velocities[-1] == 0.0
    assert (arm.reports[0].outcome, arm.reports[0].message) == (Outcome.STOPPED, "the episode changed")
    assert arm.loop.state is LoopState.IDLE and arm.tick().command is None
    arm.execute(0.0, 0.5)
    np.testing.assert_allclose(arm.command().joint_velocities, [0.0, 1.0], atol=1e-9)


@pytest.mark.parametrize("error", [0.05, -0.2, 1.0])
@pytest.mark.parametrize("reference", [MEASURED, COMMANDED])
def test_measured_joint_that_is_off_stops_an_arm_at_rest(error: float, reference: str):
    """States off by 0.05 rad moved an arm whose skill asked for no motion at 0.53 rad/s to the end of its range."""
    arm = begun(model=make_model(action_reference=reference, skill_horizon=100))
    arm.execute(0.0, 0.0)
    arm.tick()
    arm.error = np.array([error, 0.0])
    for _ in range(10):
        arm.tick()
    assert arm.loop.state is LoopState.LATCHED
    assert (
        f"a is measured {abs(error):.3f} from where it was sent" in arm.reports[0].message
        or "leapt" in arm.reports[0].message
    )
    np.testing.assert_allclose(arm.goal, [0.1, -0.2], atol=1e-9)


def test_arm_that_somebody_moves_latches_with_the_joint_and_reset_begins_where_it_is():
    """From 0.5 rad the next skill brought the arm back in one period, at 14.6 rad/s of 3.14 allowed."""
    arm = begun(has_braking_tail=True)
    arm.drift(np.array([0.0, 0.5]))
    tick = arm.tick()
    assert tick.state is LoopState.LATCHED and "b is measured" in tick.reason and tick.command is None
    assert arm.loop.arm.last is not None and arm.loop.arm.last.state is SafetyState.LATCHED
    with pytest.raises(SkillError, match="latched: b is measured"):
        arm.execute(0.1, 0.1)
    first = released(arm)
    np.testing.assert_allclose(first.joint_positions, [0.1, 0.3], atol=1e-9)
    # A controller that still holds the place before gets there at 1.5 d / t of 2 rad/s and 12 d / t² of 20 rad/s².
    assert first.arrives_s == pytest.approx(np.sqrt(12.0 * 0.5 / 20.0))


def released(arm: Arm) -> FilteredCommand:
    """The first command after a release of the latch."""
    arm.loop.reset(arm.now_s)
    while True:
        tick = arm.tick()
        if tick.command is not None:
            return tick.command
        assert "go on without a leap" in tick.reason


def test_arm_is_not_sent_to_the_place_that_a_sensor_told_until_the_latch_was_released():
    """The sensor is right again right after the release. A stand-in was sent 0.05 rad too far, 88 times faster than
    its acceleration limit allows."""
    arm = begun(has_braking_tail=True)
    arm.error = np.array([0.05, 0.0])
    for _ in range(10):
        arm.tick()
    assert arm.loop.state is LoopState.LATCHED
    arm.loop.reset(arm.now_s)
    assert arm.loop.step(arm.now_s).command is None
    arm.error = np.zeros(2)
    arm.begin()
    np.testing.assert_allclose(arm.goal, [0.1, -0.2], atol=1e-9)


def test_no_sensor_is_believed_before_it_has_told_the_same_for_a_moment():
    """An arm was taken over at its first state, whatever the second one was."""
    arm = Arm(has_braking_tail=True)
    arm.error = np.array([0.5, 0.0])
    assert arm.tick().command is None
    arm.error = np.zeros(2)
    arm.begin()
    np.testing.assert_allclose(arm.sent, [arm.sent[0]] * len(arm.sent), atol=1e-9)
    np.testing.assert_allclose(arm.sent[0], [0.1, -0.2], atol=1e-9)


@pytest.mark.parametrize("error", [0.05, 0.5])
def test_arm_that_is_sent_where_a_sensor_says_takes_the_time_that_it_needs_from_where_it_was(error: float):
    arm = begun(has_braking_tail=True)
    arm.error = np.array([error, 0.0])
    arm.tick()
    assert arm.loop.state is LoopState.LATCHED
    first = released(arm)
    assert first.arrives_s == pytest.approx(arrival_s(np.array([error, 0.0]), LIMITS))


def test_arm_that_was_moved_a_little_begins_where_it_is_measured():
    arm = begun(has_braking_tail=True)
    arm.drift(np.array([0.03, 0.0]))
    arm.tick()
    arm.execute(0.5, 0.0)
    first = arm.command()
    np.testing.assert_allclose(first.joint_positions, [0.13, -0.2], atol=1e-9)
    assert first.arrives_s is not None and first.arrives_s > PERIOD_S
    second, third = arm.command(), arm.command()
    assert not second.joint_velocities.any() and third.joint_velocities[0] == pytest.approx(1.0)


def test_arm_that_lags_is_no_fault():
    """0.25 s and a period behind at 1 rad/s: a quarter of a radian from the command is where it has to be."""
    arm = begun(model=make_model(action_reference=COMMANDED, skill_horizon=8), max_age_s=0.05)
    places = [np.array([0.1, -0.2])] * 3
    for _ in range(16):
        if arm.loop.skills.current is None:
            arm.execute(0.2, -0.2)
        places.append(arm.command().joint_positions)
        arm.goal = places[-4]
    assert arm.loop.state is LoopState.EXECUTING and arm.loop.arm.interventions == 0


def test_leap_of_a_whole_turn_says_what_to_do():
    arm = begun()
    arm.error = np.array([2.0 * np.pi, 0.0])
    tick = arm.tick()
    assert tick.state is LoopState.LATCHED and "a leapt by 6.28 rad, a whole turn" in tick.reason


def test_commanded_reference_moves_at_the_velocity_asked_for_whatever_the_arm_does():
    """Relative to the measured position an arm that follows 0.1 s later moved at 0.27 of what was asked."""
    arm = begun(model=make_model(action_reference=COMMANDED, skill_horizon=5))
    places = [np.array([0.1, -0.2])] * 2
    arm.execute(0.25, 0.0)
    for step in range(1, 6):
        places.append(arm.command().joint_positions)
        arm.goal = places[-2]
        assert places[-1][0] == pytest.approx(0.1 + 0.05 * step)  # 0.25 x 2 rad/s x 0.1 s


@pytest.mark.parametrize("reference", [MEASURED, COMMANDED])
def test_slow_skill_sends_the_same_way_in_more_commands(reference: str):
    """At a tenth of the speed the next command, and so every reaction of the arm, was ten periods away."""
    model = make_model(action_reference=reference, velocity_scale=0.5, commands_per_step=4)
    arm = begun(model=model)
    arm.execute(0.5, 0.0)
    steps = []
    for _ in range(12):
        arm.tick()
        steps.append(arm.loop.skills.steps_done)
    # 0.5 x 0.5 rad/s x 0.1 s in each command, four to a control step: 0.1 rad for each of 3, as at full speed in 3
    # commands.
    np.testing.assert_allclose(np.diff(np.array(arm.sent)[:, 0]), 0.025, atol=1e-9)
    assert steps == [1] * 4 + [2] * 4 + [3] * 4 and arm.goal[0] == pytest.approx(0.4)
    arm.tick()
    assert [(report.outcome, report.steps) for report in arm.reports] == [(Outcome.COMPLETED, 3)]


def test_states_of_a_gripper_on_the_same_topic_are_not_for_us():
    """Each of them was an error, and before the arm's first one there is nothing to compare."""
    arm = Arm()
    arm.loop.update_joint_state(("finger",), (0.02,), round(arm.now_s * 1e9), arm.now_s)
    arm.begin()
    arm.execute(0.1, 0.0)
    arm.tick()
    age_s = arm.loop.observation.age_s(arm.now_s + 0.05)
    arm.loop.update_joint_state(("finger",), (0.03,), 0, arm.now_s + 0.05)  # stamped with nothing
    assert arm.loop.observation.age_s(arm.now_s + 0.05) == age_s and arm.loop.state is LoopState.EXECUTING


def test_arm_is_not_taken_over_at_a_state_that_has_just_leapt():
    """A reset in the moment of one wrong state sent the arm there."""
    arm = begun(has_braking_tail=True)
    arm.loop.stop("hand on the button")
    arm.tick()
    arm.error = np.array([0.5, 0.0])
    arm.now_s += 0.01
    arm.measure()
    arm.loop.reset(arm.now_s)
    tick = arm.loop.step(arm.now_s)
    assert tick.command is None and "go on without a leap" in tick.reason
    arm.error = np.zeros(2)
    arm.now_s += 0.01
    arm.measure()  # a leap, too
    assert arm.tick().command is None
    np.testing.assert_allclose(arm.command().joint_positions, [0.1, -0.2], atol=1e-12)


@pytest.mark.parametrize(("error", "is_released"), [(0.03, True), (0.05, False), (1.0, False)])
def test_arm_that_takes_set_points_is_not_released_where_they_would_make_it_leap(
    error: float, is_released: bool
) -> None:
    arm = begun(has_braking_tail=False)
    arm.loop.stop("hand on the button")
    arm.tick()
    arm.error = np.array([error, 0.0])
    for _ in range(5):
        arm.tick()
    assert arm.loop.state is LoopState.LATCHED
    if is_released:
        np.testing.assert_allclose(released(arm).joint_positions, [0.1 + error, -0.2], atol=1e-9)
        return
    with pytest.raises(CommandError, match="the latch stays: a is measured .* The first set-point"):
        arm.loop.reset(arm.now_s)
    assert arm.loop.state is LoopState.LATCHED
    arm.error = np.zeros(2)
    arm.tick()
    np.testing.assert_allclose(released(arm).joint_positions, [0.1, -0.2], atol=1e-9)
