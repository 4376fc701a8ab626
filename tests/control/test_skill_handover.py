import pytest

from spirl_ros.control.control_loop import LoopState
from spirl_ros.control.episode_moments import ExecutorMoment
from spirl_ros.control.skill_handover import SAME_MOMENT_S, TICKS_TO_BEGIN, SkillHandover

PERIOD_S, PERIOD_NS, H = 0.08, 80_000_000, 5
IDLE, EXECUTING = LoopState.IDLE, LoopState.EXECUTING


def said(tick: int, state: LoopState, skill_id: int = 0, step: int = 0) -> ExecutorMoment:
    """What the executor says about a control step."""
    return ExecutorMoment(tick * PERIOD_NS, state, skill_id, step, H, "kitchen", "", "")


def test_first_skill_waits_for_an_executor_that_saw_the_reset() -> None:
    handover = SkillHandover(H, PERIOD_S, 0.03, time_waits=False)
    handover.begin_episode(3 * PERIOD_NS)
    assert not handover.is_due(3 * PERIOD_NS, 3 * PERIOD_NS, 0.0)
    handover.executor_told(said(2, IDLE), 0.0)
    assert not handover.is_due(3 * PERIOD_NS, 3 * PERIOD_NS, 0.0)
    handover.executor_told(said(3, IDLE), 0.0)
    assert not handover.is_due(2 * PERIOD_NS, 3 * PERIOD_NS, 0.0)  # the observation is from before
    assert handover.is_due(3 * PERIOD_NS, 3 * PERIOD_NS, 0.0)


def test_next_skill_is_due_shortly_before_the_step_after_the_last() -> None:
    handover = SkillHandover(H, PERIOD_S, 0.03, time_waits=False)
    handover.sent(1, 0)
    assert handover.due_s is None
    for step in range(1, H + 1):
        delay_s = 0.002 if step == 3 else 0.04  # how late this is heard of on a busy machine
        handover.executor_told(said(step, EXECUTING, 1, step), 10.0 + step * PERIOD_S + delay_s)
        # Step 1 is at 10.08 and step 6 would be at 10.48: 0.03 before that, and the smallest delay so far.
        assert handover.due_s == pytest.approx(10.45 + (0.04 if step < 3 else 0.002))
        assert not handover.is_due(H * PERIOD_NS, None, 10.451)
    assert handover.has_begun and handover.is_due(H * PERIOD_NS, None, 10.4521)
    handover.sent(2, H * PERIOD_NS)
    assert handover.due_s is None and not handover.is_due(H * PERIOD_NS, None, 10.46)
    handover.executor_told(said(H + 1, EXECUTING, 2, 1), 10.48)
    assert (handover.late_skills, handover.steps) == (0, H + 1)


def test_lead_longer_than_a_control_period_makes_a_skill_due_steps_before() -> None:
    handover = SkillHandover(H, PERIOD_S, 0.2, time_waits=False)
    handover.sent(1, 0)
    handover.executor_told(said(1, EXECUTING, 1, 1), 1.0)
    # Step 6 would be at 1.4.
    assert handover.due_s == pytest.approx(1.2)


def test_steps_of_a_skill_that_follow_the_choice_of_the_next_one_are_counted() -> None:
    """With a lead of a control period or more they were lost: an episode of two skills went on for a third."""
    handover = SkillHandover(H, PERIOD_S, 0.2, time_waits=False)
    handover.sent(1, 0)
    for step in range(1, H - 1):
        handover.executor_told(said(step, EXECUTING, 1, step), 1.0)
    handover.sent(2, 0)
    assert handover.steps == H - 2
    for step in (H - 1, H):
        handover.executor_told(said(step, EXECUTING, 1, step), 1.0)
        assert handover.steps == step
    handover.executor_told(said(H + 1, EXECUTING, 2, 1), 1.0)
    assert (handover.steps, handover.steps_to_come) == (H + 1, 2 * H)
    handover.begin_episode(0)
    handover.executor_told(said(H + 2, EXECUTING, 1, 2), 1.0)
    assert handover.steps == 0


def test_idle_executor_before_the_first_skill_is_not_a_late_skill() -> None:
    handover = SkillHandover(H, PERIOD_S, 0.03, time_waits=False)
    handover.sent(1, 0)
    handover.executor_told(said(0, IDLE), 1.0)
    handover.executor_told(said(1, EXECUTING, 1, 1), 1.08)
    assert handover.has_begun and handover.late_skills == 0


@pytest.mark.parametrize("is_sent_before_the_idle_tick", [True, False])
def test_skill_that_was_not_there_in_time_counts_as_late(is_sent_before_the_idle_tick: bool) -> None:
    handover = SkillHandover(H, PERIOD_S, 0.03, time_waits=False)
    handover.sent(1, 0)
    handover.executor_told(said(H, EXECUTING, 1, H), 1.0)
    if is_sent_before_the_idle_tick:
        handover.sent(2, 0)
    handover.executor_told(said(H + 1, IDLE, 1, H), 1.08)
    if not is_sent_before_the_idle_tick:
        assert handover.is_due(0, None, 1.08)
        handover.sent(2, 0)
    handover.executor_told(said(H + 2, EXECUTING, 2, 1), 1.16)
    assert handover.late_skills == 1


def test_skill_that_an_idle_executor_dropped_is_chosen_again() -> None:
    handover = SkillHandover(H, PERIOD_S, 0.03, time_waits=False)
    handover.sent(7, 0)
    for tick in range(TICKS_TO_BEGIN):
        assert not handover.is_due(tick * PERIOD_NS, None, 1.0)
        handover.executor_told(said(tick, IDLE), 1.0)
    assert handover.is_due(TICKS_TO_BEGIN * PERIOD_NS, None, 1.0)
    handover.sent(8, 0)
    assert not handover.is_due(TICKS_TO_BEGIN * PERIOD_NS, None, 1.0)
    assert handover.late_skills == 0


def test_in_lockstep_observation_task_and_executor_have_to_tell_of_one_moment() -> None:
    handover = SkillHandover(H, PERIOD_S, 0.03, time_waits=True)
    handover.begin_episode(0)
    handover.executor_told(said(0, IDLE), 0.0)
    assert handover.is_due(0, 0, 0.0)
    handover.sent(1, 0)
    assert not handover.is_due(0, 0, 0.0)  # chosen already
    end_ns = H * PERIOD_NS
    handover.executor_told(said(H - 1, EXECUTING, 1, H), 0.0)
    assert not handover.is_due(end_ns, end_ns, 0.0)
    handover.executor_told(said(H, IDLE, 1, H), 0.0)
    assert not handover.is_due(end_ns - PERIOD_NS, end_ns, 0.0)
    assert not handover.is_due(end_ns, end_ns - PERIOD_NS, 0.0)
    assert handover.is_due(end_ns, end_ns, 0.0) and handover.is_due(end_ns, None, 0.0)
    # No clock has a say; it is only a time to look again for a state that is on its way.
    assert handover.wants_observation and handover.due_s == SAME_MOMENT_S
    handover.sent(2, end_ns)
    assert handover.due_s is None
    handover.executor_told(said(H, EXECUTING, 2, 1), 0.0)
    assert not handover.wants_observation and handover.due_s is None


def test_skill_of_somebody_else_is_told_from_ones_own() -> None:
    handover = SkillHandover(H, PERIOD_S, 0.03, time_waits=False)
    handover.executor_told(said(0, EXECUTING, 0, 1), 0.0)
    assert handover.is_somebody_elses
    handover.executor_told(said(0, IDLE), 0.0)
    assert not handover.is_somebody_elses
    handover.sent(1, 0)
    handover.sent(2, 0)
    for skill_id, is_somebody_elses in ((1, False), (2, False), (3, True), (0, True)):
        handover.executor_told(said(1, EXECUTING, skill_id, 1), 0.0)
        assert handover.is_somebody_elses is is_somebody_elses


@pytest.mark.parametrize("told", [1, 2])
def test_skill_of_the_episode_before_is_ones_own_however_late_it_is_told_of(told: int) -> None:
    """An endless run gave up, 2 times in 110 episodes: only the skill sent last counted as its own when an episode
    began.

    Skill 1 was under way and skill 2 already sent when the episode ended. The executor's next word comes after the
    reset of the scene, and tells of either.
    """
    handover = SkillHandover(H, PERIOD_S, 0.03, time_waits=False)
    handover.sent(1, 0)
    handover.executor_told(said(1, EXECUTING, 1, 1), 0.0)
    handover.sent(2, 0)
    handover.begin_episode(6 * PERIOD_NS)
    assert not handover.is_somebody_elses  # its last word, of skill 1
    handover.executor_told(said(5, EXECUTING, told, 5), 0.0)
    assert not handover.is_somebody_elses
    handover.executor_told(said(6, IDLE, told, 5), 0.0)
    handover.sent(3, 6 * PERIOD_NS)
    # The message of skill 2 may even arrive after that of the reset: it is executed, and skill 3 follows.
    for skill_id in (2, 3):
        handover.executor_told(said(7, EXECUTING, skill_id, 1), 0.0)
        assert not handover.is_somebody_elses
    assert handover.own_ids == (3,)


def test_skill_of_the_run_before_is_ones_own() -> None:
    """What was sent just before a run was stopped may be executed when the next one has begun."""
    before = SkillHandover(H, PERIOD_S, 0.03, time_waits=False)
    before.sent(1, 0)
    before.sent(2, 0)
    handover = SkillHandover(H, PERIOD_S, 0.03, time_waits=False, sent_before=before.own_ids)
    for skill_id, is_somebody_elses in ((2, False), (1, True)):
        handover.executor_told(said(0, EXECUTING, skill_id, 1), 0.0)
        assert handover.is_somebody_elses is is_somebody_elses


def test_skills_that_nobody_tells_of_are_not_kept_for_ever() -> None:
    handover = SkillHandover(H, PERIOD_S, 0.03, time_waits=False)
    for skill_id in range(1, 1001):
        handover.sent(skill_id, 0)
    assert handover.own_ids == tuple(range(901, 1001))
