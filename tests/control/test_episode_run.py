import pytest

from spirl_ros.control.control_loop import LoopState
from spirl_ros.control.episode_moments import EpisodeResult, ExecutorMoment, TaskMoment
from spirl_ros.control.episode_run import EpisodeRun, EpisodeRunConfig, NextStep
from spirl_ros.control.skill_handover import GoalHandover, SkillHandover

PERIOD_NS, H = 80_000_000, 5
TARGETS = ("microwave", "kettle")
IDLE, EXECUTING, BRAKING, LATCHED = LoopState


class Graph:
    """What a simulator, an executor and a policy say to an EpisodeRun, with a clock of its own."""

    def __init__(self, handover: SkillHandover | GoalHandover | None = None, **config) -> None:
        settings = {"episodes": 1, "subtasks": TARGETS, "bundle_digest": "ab", **config}
        time_waits, lead_s = settings.pop("time_waits", True), settings.pop("lead_s", 0.05)
        self.skills = SkillHandover(H, 0.08, lead_s, time_waits)
        settings["resets"] = settings.get("resets", not settings.get("max_steps", 0))
        self.run = EpisodeRun(
            EpisodeRunConfig(skill_horizon=H, bundle="kitchen", **settings), 0.0, handover or self.skills
        )
        self.now_s = 0.0
        self.tick = 0
        self.episode = 0

    def executor(self, state: LoopState = IDLE, skill_id: int = 0, step: int = 0, **changes) -> None:
        moment = ExecutorMoment(self.tick * PERIOD_NS, state, skill_id, step, H, "kitchen", "ab", "")
        self.run.executor_told(moment._replace(**changes), self.now_s)

    def task(self, step: int = 0, in_order: int = 0, has_ended: bool = False, subtasks=TARGETS) -> None:
        completed = tuple((name, step) for name in subtasks[:in_order])
        moment = TaskMoment(self.tick * PERIOD_NS, self.episode, 3, subtasks, in_order, in_order, completed, step)
        self.run.task_told(moment._replace(terminated=has_ended), self.now_s)

    def observe(self) -> None:
        self.run.observed(self.tick * PERIOD_NS, self.now_s)

    def next(self, lacking: str = "") -> NextStep:
        return self.run.next(self.now_s, lacking)

    def begin(self) -> None:
        """To the first skill of an episode."""
        self.executor()
        self.observe()
        assert self.next() is NextStep.RESET
        self.reset()

    def reset(self) -> None:
        self.episode += 1
        self.tick += 1
        self.run.reset_answered(self.episode, self.now_s)
        self.task()
        self.observe()
        self.executor(skill_id=self.run.last_skill_id)


def test_it_resets_chooses_at_every_boundary_and_ends_with_the_task() -> None:
    graph = Graph(episodes=2)
    graph.begin()
    assert graph.next() is NextStep.CHOOSE
    graph.run.skill_sent(1)
    assert graph.next() is NextStep.NOTHING
    for step in range(1, H + 1):
        graph.executor(EXECUTING, 1, step)
        graph.tick += 1
        graph.task(step)
        graph.observe()
        assert graph.next() is NextStep.NOTHING
    graph.executor(IDLE, 1, H)
    assert graph.next() is NextStep.CHOOSE
    graph.run.skill_sent(2)
    graph.tick += 1
    graph.task(H + 1, in_order=2, has_ended=True)
    assert graph.next() is NextStep.RESET
    assert graph.run.results == [EpisodeResult(2, 2, H + 1)]
    graph.reset()
    assert graph.next() is NextStep.CHOOSE
    graph.task(280, in_order=1, has_ended=True)
    assert graph.next() is NextStep.NOTHING and graph.run.is_over and graph.run.failure == ""
    assert graph.run.results[1] == EpisodeResult(1, 1, 280)


def test_first_status_of_the_episode_may_come_before_the_answer_of_the_reset() -> None:
    graph = Graph()
    graph.executor()
    graph.observe()
    assert graph.next() is NextStep.RESET
    graph.episode, graph.tick = 4, 1
    graph.task()
    assert graph.next() is NextStep.NOTHING
    graph.run.reset_answered(4, graph.now_s)
    graph.observe()
    graph.executor()
    assert graph.next() is NextStep.CHOOSE


def test_nothing_is_waited_for_longer_than_its_time() -> None:
    graph = Graph(start_s=20.0)
    graph.now_s = 20.1
    graph.next(lacking="the service reset_scene")
    assert graph.run.failure == "waited 20 s for a skill executor that says what it does on skill_status"
    graph = Graph()
    graph.executor()
    graph.observe()
    graph.now_s = 20.1
    graph.next(lacking="the service reset_scene")
    assert graph.run.failure == "waited 20 s for the service reset_scene"
    graph = Graph()
    graph.executor(reason="nobody listens to commands")
    graph.observe()
    graph.now_s = 20.1
    graph.next()
    assert graph.run.failure == "waited 20 s for a ready skill executor; it says: nobody listens to commands"


@pytest.mark.parametrize("is_answered", [False, True])
def test_reset_without_an_answer_or_a_status_is_given_up(is_answered: bool) -> None:
    graph = Graph(patience_s=3.0)
    graph.executor()
    graph.observe()
    assert graph.next() is NextStep.RESET
    if is_answered:
        graph.run.reset_answered(9, graph.now_s)
    graph.now_s += 2.9
    assert graph.next() is NextStep.NOTHING and not graph.run.is_over
    graph.now_s += 0.2
    graph.next()
    assert graph.run.failure.startswith("no status of the episode" if is_answered else "no answer to a reset")


@pytest.mark.parametrize(
    ("silent", "told"),
    [
        ("observation", "no observation for 3."),
        ("observation a moment after the executor", "no observation for 2.9 s"),
        ("executor", "nothing from the skill executor for 3."),
        ("executor a moment after the task", "nothing from the skill executor for 2.9 s"),
        ("steps", "the skill executor did not begin skill 1 for 3."),
        ("steps and the task", "the skill executor did not begin skill 1 for 3."),
        ("task", "no control step of the task for 3 s"),
    ],
)
def test_what_stands_still_is_named(silent: str, told: str) -> None:
    graph = Graph(time_waits=silent != "task")
    graph.begin()
    assert graph.next() is NextStep.CHOOSE
    graph.run.skill_sent(1)
    for _ in range(32):
        graph.now_s += 0.1
        graph.tick += 1
        if not silent.startswith("observation") or (silent != "observation" and graph.tick == 2):
            graph.observe()
        if silent == "task":
            graph.executor(EXECUTING, 1, graph.tick % H)
        elif silent == "executor a moment after the task":
            if graph.tick == 2:
                graph.executor(EXECUTING, 1, 1)
        elif silent.startswith("steps"):
            graph.executor()
            if silent == "steps":
                graph.task(graph.tick)
        graph.next()
    assert graph.run.failure.startswith(told)


def test_chooser_that_was_stopped_itself_does_not_go_on() -> None:
    """What it heard after a SIGCONT was fresh again, so the arm moved off by itself."""
    graph = Graph(patience_s=3.0)
    graph.begin()
    graph.now_s += 2.9
    assert graph.next() is NextStep.CHOOSE
    graph.now_s += 3.1
    graph.tick += 1
    graph.observe()
    graph.executor()
    graph.task(step=H)
    assert graph.next() is NextStep.NOTHING
    assert graph.run.failure == "the chooser of skills itself was held up for 3.1 s"


def test_executor_that_brakes_ends_it_at_once_with_its_reason() -> None:
    graph = Graph()
    graph.begin()
    graph.executor(BRAKING, reason="fresh: data is 0.2 s old")
    graph.next()
    assert graph.run.failure == "the skill executor is braking: fresh: data is 0.2 s old"
    graph = Graph()
    graph.executor(LATCHED, reason="stopped by a service call")
    graph.next()
    assert "latched: stopped by a service call. Release it" in graph.run.failure


def test_executor_that_still_brakes_is_waited_for_before_the_first_episode() -> None:
    graph = Graph()
    graph.executor(BRAKING, reason="canceled by a service call")
    graph.observe()
    assert graph.next() is NextStep.NOTHING and not graph.run.is_over
    graph.executor()
    assert graph.next() is NextStep.RESET


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"bundle": "other"}, "runs bundle 'other'"),
        ({"bundle_digest": "cd"}, "runs bundle 'kitchen' (cd, 5 steps a skill), but"),
        ({"skill_horizon": 10}, "10 steps a skill"),
    ],
)
def test_executor_with_other_skills_is_refused(changes: dict, told: str) -> None:
    graph = Graph()
    graph.executor(**changes)
    graph.next()
    assert told in graph.run.failure and "Load the same bundle in both" in graph.run.failure
    graph = Graph()
    graph.begin()
    graph.executor(**changes)  # swapped in the middle of an episode
    graph.next()
    assert told in graph.run.failure


def test_executor_that_does_not_tell_its_digest_is_trusted() -> None:
    graph = Graph()
    graph.executor(bundle_digest="")
    graph.observe()
    assert graph.next() is NextStep.RESET


def test_task_that_the_policy_was_not_trained_for_is_refused() -> None:
    graph = Graph()
    graph.executor()
    graph.observe()
    graph.next()
    graph.run.reset_answered(0, graph.now_s)
    graph.task(subtasks=("kettle",))
    graph.next()
    assert graph.run.failure.startswith("the task is kettle, but the policy was trained for microwave,kettle.")
    graph = Graph(subtasks=None)
    assert graph.run.task_refusal(("kettle",)) == ""


def test_episode_that_somebody_else_reset_is_begun_again() -> None:
    graph = Graph()
    graph.begin()
    assert graph.next() is NextStep.CHOOSE
    graph.run.skill_sent(1)
    graph.episode += 1
    graph.task()
    assert graph.next() is NextStep.RESET and graph.run.results == []
    graph.reset()
    assert graph.next() is NextStep.CHOOSE


def test_skill_of_somebody_else_ends_it() -> None:
    graph = Graph()
    graph.begin()
    graph.executor(EXECUTING, 0, 1)
    graph.next()
    assert graph.run.failure == "the skill executor carries out a skill of somebody else (number 0)."


def test_new_episode_that_is_heard_of_before_the_executors_last_word_goes_on() -> None:
    """An endless run gave up with "somebody else": reset and task were heard of before the executor's next word.

    Steps of 0.08 s; skill 2 is sent 0.05 s before the end of skill 1, which the episode does not outlast.
    """
    graph = Graph(episodes=0, time_waits=False)
    graph.begin()
    assert graph.next() is NextStep.CHOOSE
    graph.run.skill_sent(1)
    for step in range(1, H + 1):
        graph.now_s, graph.tick = step * 0.08, graph.tick + 1
        graph.executor(EXECUTING, 1, step)
        graph.task(step)
        graph.observe()
        assert graph.next() is NextStep.NOTHING
    graph.now_s += 0.031
    assert graph.next() is NextStep.CHOOSE
    graph.run.skill_sent(2)
    graph.tick += 1
    graph.task(H + 1, in_order=2, has_ended=True)
    assert graph.next() is NextStep.RESET
    graph.episode, graph.tick = 2, graph.tick + 1
    graph.run.reset_answered(2, graph.now_s)
    graph.task()
    graph.observe()
    assert graph.next() is NextStep.NOTHING and not graph.run.is_over
    for state, skill_id in ((EXECUTING, 1), (EXECUTING, 2)):
        graph.executor(state, skill_id, 1)
        assert graph.next() is NextStep.NOTHING and graph.run.failure == ""
    graph.executor(IDLE, 2, 1)
    assert graph.next() is NextStep.CHOOSE and graph.run.results == [EpisodeResult(2, 2, H + 1)]


def test_without_a_task_an_episode_is_a_number_of_control_steps() -> None:
    """With a lead of a control period or more, one skill too many was sent."""
    handover = SkillHandover(H, 0.08, 0.2, time_waits=False)
    graph = Graph(handover, episodes=2, max_steps=2 * H, subtasks=None)
    graph.executor()
    graph.observe()
    for episode in range(2):
        assert graph.next() is NextStep.CHOOSE
        for skill_id in (2 * episode + 1, 2 * episode + 2):
            graph.run.skill_sent(skill_id)
            for step in range(1, H + 1):
                assert not graph.run.is_over
                graph.now_s += 0.08
                graph.tick += 1
                graph.observe()
                graph.executor(EXECUTING, skill_id, step)
                is_chosen = graph.next() is NextStep.CHOOSE
                assert is_chosen == (step >= H - 1 and skill_id == 2 * episode + 1)
            graph.now_s += 0.05
            assert skill_id % 2 == 0 or graph.next() is NextStep.CHOOSE
        graph.executor(IDLE, 2 * episode + 2, H)
    assert graph.run.results == [EpisodeResult(0, 0, 2 * H)] * 2 and graph.run.is_over
    assert graph.skills.late_skills == 0


def test_executor_or_simulator_that_was_started_again_ends_it() -> None:
    """A new executor is idle, and its first skill would have moved the arm on as if nothing had happened."""
    for is_executor, told in ((True, "the skill executor was started again"), (False, "time went back")):
        graph = Graph()
        graph.begin()
        assert graph.next() is NextStep.CHOOSE
        graph.run.skill_sent(1)
        graph.executor(EXECUTING, 1, 1)
        graph.tick += 1
        graph.observe()
        if is_executor:
            graph.executor(IDLE, 0, 0)
        else:
            graph.tick, graph.episode = 0, 1
            graph.task()
        assert graph.next() is NextStep.NOTHING
        assert graph.run.is_over and told in graph.run.failure


def go_on_graph() -> Graph:
    """A simulation's endless run, in the middle of its first episode."""
    graph = Graph(episodes=0, goes_on=True)
    graph.begin()
    assert graph.next() is NextStep.CHOOSE
    graph.run.skill_sent(1)
    graph.executor(EXECUTING, 1, 1)
    return graph


def steps_asked_for(graph: Graph, seconds: float, **executor) -> list[tuple[float, NextStep]]:
    """What is asked for during so long, ten times a second, and when."""
    found, end_s = [], graph.now_s + seconds
    while graph.now_s < end_s - 1e-6:
        graph.now_s += 0.1
        graph.executor(**executor)
        graph.observe()
        if (step := graph.next()) is not NextStep.NOTHING:
            found.append((round(graph.now_s, 1), step))
    return found


def test_simulation_that_was_late_goes_on_by_itself() -> None:
    """The demo latched once on a busy machine ("data is 1.192 s old") and stood still for good.

    The executor is latched from 0.1 s on; it is released a second later, and again a second after that if need be. Idle
    again at 2.2 s, it has a new episode at once: more than a second has passed since the fault.
    """
    graph = go_on_graph()
    latched = {"state": LATCHED, "skill_id": 1, "step": 1, "reason": "data is 1.192 s old"}
    assert steps_asked_for(graph, 2.2, **latched) == [(1.2, NextStep.RELEASE), (2.2, NextStep.RELEASE)]
    assert graph.run.is_waiting and not graph.run.is_over
    assert graph.run.interruption.startswith("the skill executor is latched: data is 1.192 s old")
    graph.executor(IDLE, 1, 1)
    assert graph.next() is NextStep.RESET
    graph.reset()
    assert graph.next() is NextStep.CHOOSE and graph.run.interruption == "" and graph.run.finished == 0


@pytest.mark.parametrize("state", [BRAKING, LATCHED])
def test_arm_that_a_person_stopped_stays_stopped_in_simulation_too(state: LoopState) -> None:
    graph = go_on_graph()
    graph.executor(state, 1, 1, reason="stopped by a service call")
    assert graph.next() is NextStep.NOTHING and graph.run.is_over
    assert "stopped by a service call" in graph.run.failure
    graph = go_on_graph()
    graph.run.give_up("no observation for 3 s", graph.now_s)
    assert not graph.run.is_over
    assert steps_asked_for(graph, 5.0, state=LATCHED, skill_id=1, step=1, reason="stopped by a service call") == []
    assert graph.run.is_over


def test_on_a_real_arm_nothing_resumes_by_itself() -> None:
    graph = Graph(episodes=0)
    graph.begin()
    graph.executor(LATCHED, 0, 0, reason="data is 0.3 s old")
    assert steps_asked_for(graph, 60.0, state=LATCHED, reason="data is 0.3 s old") == [] and graph.run.is_over
    assert graph.run.failure.endswith("Release it with its service reset.")


def test_simulation_goes_on_with_another_executor_or_simulator() -> None:
    graph = go_on_graph()
    graph.tick += 1
    graph.executor(IDLE, 0, 0)
    assert graph.run.interruption == "the skill executor was started again"
    assert [step for _, step in steps_asked_for(graph, 1.1, state=IDLE)] == [NextStep.RESET]
    graph.reset()
    assert graph.next() is NextStep.CHOOSE
    graph.run.skill_sent(2)
    graph.tick, graph.episode = 0, 1
    graph.task()
    assert graph.run.interruption.startswith("the task's time went back")
    graph.executor(IDLE, 1, 1)
    assert graph.next() is NextStep.NOTHING  # the states from before do not count
    assert [step for _, step in steps_asked_for(graph, 1.1, state=IDLE, skill_id=1)] == [NextStep.RESET]


def test_policy_waits_for_a_task_that_it_can_do() -> None:
    """A press of the page's button for another task ended the policy's process, and the demo with it."""
    graph = go_on_graph()
    graph.episode, graph.tick = 2, 2
    graph.task(subtasks=("slide_cabinet",))
    assert graph.next() is NextStep.RESET  # somebody else's episode
    graph.episode, graph.tick = 3, 3
    graph.run.reset_answered(3, graph.now_s)
    graph.task(subtasks=("slide_cabinet",))
    assert graph.next() is NextStep.NOTHING
    assert steps_asked_for(graph, 60.0, state=IDLE, skill_id=1, step=1) == [] and not graph.run.is_over
    assert graph.run.interruption.startswith("the task is slide_cabinet, but the policy was trained for")
    graph.episode, graph.tick = 4, 4
    graph.task()
    assert steps_asked_for(graph, 0.1, state=IDLE, skill_id=1, step=1)[0][1] is NextStep.RESET


def test_other_bundle_is_told_once_and_waited_for_in_simulation() -> None:
    graph = Graph(episodes=0, goes_on=True)
    assert steps_asked_for(graph, 30.0, bundle="other") == []
    assert graph.run.interruption.startswith("the skill executor runs bundle 'other'")
    assert steps_asked_for(graph, 0.1)[0][1] is NextStep.RESET


def test_what_is_missing_at_the_start_is_told_and_waited_for_in_simulation() -> None:
    graph = Graph(episodes=0, goes_on=True, start_s=20.0)
    graph.now_s = 20.1
    assert graph.next() is NextStep.NOTHING and not graph.run.is_over
    assert graph.run.interruption == "waited 20 s for a skill executor that says what it does on skill_status"
    assert steps_asked_for(graph, 1.5)[-1][1] is NextStep.RESET


def test_episode_after_a_long_wait_begins_with_new_patience() -> None:
    graph = Graph(patience_s=3.0, start_s=20.0)
    graph.executor()
    for _ in range(10):
        graph.now_s += 1.0
        graph.executor()
        assert graph.next() is NextStep.NOTHING  # no observation yet
    graph.begin()
    assert graph.next() is NextStep.CHOOSE and not graph.run.failure


def test_after_a_fault_an_episode_needs_an_observation_of_its_own() -> None:
    """What was observed before may be of an arm that stands elsewhere since."""
    graph = go_on_graph()
    graph.run.give_up("the simulator was stopped", graph.now_s)
    for _ in range(30):
        graph.now_s += 0.1
        graph.executor(IDLE, 1, 1)
        assert graph.next() is NextStep.NOTHING
    graph.observe()
    assert graph.next() is NextStep.RESET


def test_executor_at_work_on_an_earlier_number_was_not_started_again() -> None:
    graph = Graph()
    graph.executor(IDLE, 7)
    graph.begin()
    assert graph.next() is NextStep.CHOOSE
    graph.run.skill_sent(8)
    graph.executor(EXECUTING, 8, 1)
    graph.executor(EXECUTING, 7, 1)
    assert graph.next() is NextStep.NOTHING and "somebody else (number 7)" in graph.run.failure


def test_endless_run_keeps_nothing_of_its_episodes_but_the_last() -> None:
    graph = Graph(episodes=0)
    graph.begin()
    for episode in range(3):
        graph.task(280, in_order=episode % 2, has_ended=True)
        assert graph.next() is NextStep.RESET
        graph.reset()
        graph.next()
    assert graph.run.finished == 3 and graph.run.results == [EpisodeResult(0, 0, 280)]


def test_goals_follow_one_another_as_soon_as_what_came_of_the_last_is_known() -> None:
    graph = Graph(GoalHandover())
    graph.begin()
    assert graph.next() is NextStep.CHOOSE
    graph.run.skill_sent(1)
    graph.tick += H
    graph.executor(EXECUTING, step=H)  # the executor knows no numbers of goals
    graph.task(H)
    graph.observe()
    assert graph.next() is NextStep.NOTHING
    graph.run.outcome_told(H, False, graph.now_s)
    graph.task(H)
    assert graph.next() is NextStep.CHOOSE
    graph.run.skill_sent(2)
    graph.tick += 1
    graph.task(H + 1, in_order=1, has_ended=True)
    assert graph.next() is NextStep.NOTHING  # what came of it is still on its way
    graph.run.outcome_told(1, True, graph.now_s)
    assert graph.next() is NextStep.NOTHING
    assert graph.run.results == [EpisodeResult(1, 1, H + 1)] and graph.run.is_over and not graph.run.failure


def test_goal_is_chosen_on_an_observation_not_older_than_the_task_also_after_the_episodes_end() -> None:
    graph = Graph(GoalHandover())
    graph.begin()
    graph.tick += 1
    graph.task(1, has_ended=True)  # between two skills: a reward that came with it is the next skill's
    assert graph.next() is NextStep.NOTHING
    graph.observe()
    assert graph.next() is NextStep.CHOOSE


def test_executor_that_has_forgotten_a_number_from_a_topic_was_not_started_again_where_goals_have_none() -> None:
    graph = Graph(GoalHandover())
    graph.executor(skill_id=5)
    graph.observe()
    assert graph.next() is NextStep.RESET
    graph.episode, graph.tick = 1, 1
    graph.run.reset_answered(1, graph.now_s)
    graph.task()
    graph.observe()
    assert graph.next() is NextStep.CHOOSE
    graph.run.skill_sent(1)
    graph.executor(IDLE, skill_id=0, step=H)  # the statuses between were not looked at
    assert graph.next() is NextStep.NOTHING and not graph.run.failure


def test_skills_too_short_to_be_seen_under_way_are_no_standstill() -> None:
    """An executor that was looked at between skills alone said the same step each time."""
    graph = Graph(GoalHandover(), patience_s=3.0)
    graph.begin()
    for number in range(1, 50):
        assert graph.next() is NextStep.CHOOSE, number
        graph.run.skill_sent(number)
        graph.now_s += 0.1
        graph.tick += H
        graph.executor(IDLE, step=H)
        graph.task(number * H)
        graph.observe()
        graph.run.outcome_told(H, False, graph.now_s)


def test_episode_without_a_reset_is_the_one_that_the_task_speaks_of() -> None:
    graph = Graph(resets=False)
    graph.executor()
    graph.observe()
    assert graph.next() is NextStep.NOTHING  # nothing is known of the task
    graph.episode = 4
    graph.task()
    assert graph.next() is NextStep.CHOOSE
    graph.episode = 5
    graph.task()
    assert graph.next() is NextStep.CHOOSE  # of the next episode: somebody put the scene back
