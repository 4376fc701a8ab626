"""Environments of Gymnasium as families: gymnasium-robotics' own, and small ones that show one thing each."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("gymnasium", reason="the simulation extra brings it")
pytest.importorskip("gymnasium_robotics", reason="the simulation extra brings it")

import gymnasium
from gymnasium import spaces

from spirl_ros.commands.main import main
from spirl_ros.errors import CommandError, ConfigError
from spirl_ros.rl.decision_environment import TaskDecisions, action_executor
from spirl_ros.tasks.families import family_of, find_family, full_task, is_family, known_targets, split_task
from spirl_ros.tasks.skill_environment import SkillEnvironment
from spirl_ros.tasks.task import NO_NOISE, Environment, EpisodeConfig, MeasurementNoise

MAZE, FETCH = "gymnasium:PointMaze_UMaze-v3", "gymnasium:FetchReach-v4"


class Line(gymnasium.Env):
    """A point on a line that a push moves, at most one to the left and three to the right; it falls off at -5."""

    metadata = {"render_modes": [], "render_fps": 10}
    action_space: spaces.Space = spaces.Box(np.array([-1.0, 0.0]), np.array([3.0, 1.0]), dtype=np.float64)
    observation_space: spaces.Space = spaces.Dict(
        {"observation": spaces.Box(-9.0, 9.0, (1,)), "goal": spaces.Dict({"the place": spaces.Box(-9.0, 9.0, (1,))})}
    )

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.place, self.goal = 0.0, self.np_random.uniform(3.0, 4.0)
        return self._observation(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        self.place += action[0]
        return self._observation(), -1.0, self.place < -5.0, False, self._info()

    def _observation(self) -> Any:
        return {"observation": np.array([self.place]), "goal": {"the place": np.array([self.goal])}}

    def _info(self) -> dict[str, Any]:
        return {"is_success": np.float32(self.place >= self.goal)}


class Silent(Line):
    def _info(self) -> dict[str, Any]:
        return {"reward_far": 0.0}


class Drifting(Line):
    """Something that no seed decides."""

    episodes = 0

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        self.episodes += 1
        super().reset(**options)
        self.place = 0.01 * self.episodes
        return self._observation(), {}


class Discrete(Line):
    action_space = spaces.Discrete(4)


class Whole(Line):
    action_space = spaces.Box(-1, 1, (2,), dtype=np.int64)


class Unbounded(Line):
    action_space = spaces.Box(-np.inf, np.inf, (2,))


class Pictures(Line):
    observation_space = spaces.Dict({"camera": spaces.Box(0, 255, (8, 8, 3), np.uint8)})


class Words(Line):
    observation_space = spaces.Text(5)


for environment in (Line, Silent, Drifting, Discrete, Whole, Unbounded, Pictures, Words):
    gymnasium.register(f"{environment.__name__}-v0", f"{__name__}:{environment.__name__}", max_episode_steps=20)


def made(name: str, config: EpisodeConfig = EpisodeConfig()) -> Environment:
    environment = find_family(name).environment(config)
    assert environment is not None
    return environment


def test_a_text_names_an_environment_and_nothing_more() -> None:
    family, task = split_task(MAZE)
    assert (family.name, family.robot.name, task.goals) == (MAZE, MAZE, ("reached",))
    assert full_task(MAZE) == full_task("reached", default=MAZE) == MAZE
    assert split_task(MAZE)[0] is family_of(MAZE) is find_family(MAZE)
    assert is_family(MAZE) and known_targets(MAZE) == ("reached",)
    assert not is_family("kitchen:kettle")
    named = f"gymnasium:{__name__}:Line-v0"  # as Gymnasium itself names an environment of a module
    assert full_task(named) == named
    with pytest.raises(ConfigError, match="task is 'left', but gymnasium:PointMaze_UMaze-v3 has only reached"):
        split_task("left", default=MAZE)


def test_actuators_come_first_and_every_value_has_a_name() -> None:
    robot = find_family(MAZE).robot
    assert robot.observation_names == (
        *("a0", "a1", "achieved_goal_0", "achieved_goal_1", "desired_goal_0", "desired_goal_1"),
        *("observation_0", "observation_1", "observation_2", "observation_3"),
    )
    assert set(robot.units) == set(robot.observation_names) and set(robot.units.values()) == {"1"}
    assert (robot.control_period_s, find_family(FETCH).robot.control_period_s) == (0.02, 0.04)
    assert find_family(MAZE).max_steps == 300
    nested = find_family("gymnasium:Line-v0").robot
    assert nested.observation_names == ("a0", "a1", "goal_the_place_0", "observation_0")
    environment = made("gymnasium:Line-v0")
    np.testing.assert_array_equal(environment.reset(0)[[0, 1, 3]], [1.0, 0.5, 0.0])  # the middle of what it may do


def test_state_is_the_whole_observation_and_may_come_late() -> None:
    family, environment = find_family("gymnasium:Line-v0"), made("gymnasium:Line-v0")
    np.testing.assert_array_equal(environment.observe()["state"], environment.reset(0))
    assert list(family.disturbances()) == ["actions_1_late", "actions_2_late", "observations_1_old"]
    executor = action_executor(len(family.robot.observation_names), 2)
    late = TaskDecisions(family, EpisodeConfig(), executor, family.disturbances()["actions_1_late"])
    late.reset(0)
    places = [late.step(np.array([action, 0.0])).observation[3] for action in (-1.0, 1.0, 1.0)]
    assert places == [1.0, 0.0, 3.0]  # what came before them, and then the first two
    assert family.training_disturbance().share == 0.5


def test_an_action_reaches_over_the_whole_range_and_passes_the_filter() -> None:
    family, environment = find_family("gymnasium:Line-v0"), made("gymnasium:Line-v0")
    arm = SkillEnvironment(environment, family.robot.safe_arm())
    # One to the left is -1, one to the right 3, none is the middle; what is beyond is clipped.
    for action, place in ((-1.0, -1.0), (1.0, 2.0), (-1.0, 1.0), (-9.0, 0.0), (0.0, 1.0), (-0.75, 0.5)):
        result = arm.step(np.array([action, action]))
        assert result.observation[3] == place and arm.interventions == 0
    assert result.observation[0] == -0.5  # what was sent last
    arm.step(np.array([np.nan, 0.0]))
    assert arm.interventions == 1 and np.isfinite(arm.observation).all()
    unfiltered = made("gymnasium:Line-v0")
    assert unfiltered.step(np.array([0.5, 0.5])).observation[3] == 2.0
    for bad in (np.array([np.nan, 0.0]), np.zeros(3)):
        with pytest.raises(CommandError, match="expected 2 finite values"):
            unfiltered.step(bad)
        with pytest.raises(CommandError, match="expected 2 finite values"):
            unfiltered.step_command(bad)
    assert unfiltered.step_count == 1


def test_success_is_worth_one_and_ends_the_episode() -> None:
    environment = made("gymnasium:Line-v0")
    results = [environment.step(np.array([0.0, 0.0])) for _ in range(5)]  # one to the right each, the goal is before 4
    assert [result.reward for result in results] == [0.0, 0.0, 0.0, 1.0, 0.0]
    assert [result.terminated for result in results] == [False, False, False, True, True]
    assert environment.progress.completed_at_step == {"reached": 4} and environment.has_ended
    environment.reset(0)
    for _ in range(6):
        result = environment.step(np.array([-1.0, 0.0]))
    assert result.terminated and not result.reward and not environment.progress.is_complete  # it fell off
    environment.reset(0)
    results = [environment.step(np.array([-0.5, 0.0])) for _ in range(20)]  # stands still
    assert results[-1].truncated and not results[-1].terminated and not results[-2].truncated
    going_on = made("gymnasium:Line-v0", EpisodeConfig(terminate_on_complete=False, max_steps=6))
    results = [going_on.step(np.array([0.0, 0.0])) for _ in range(6)]
    assert sum(result.reward for result in results) == 1.0
    assert results[-1].truncated and not any(result.terminated for result in results)


@pytest.mark.parametrize("name", [MAZE, FETCH, "gymnasium:AdroitHandDoor-v1"])
def test_seeds_and_saved_moments_repeat_to_the_last_bit(name: str) -> None:
    environment, other = made(name), made(name)
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (25, len(find_family(name).robot.limits.joint_names)))

    def run(environment: Environment, actions: np.ndarray) -> list[bytes]:
        return [environment.step(action).observation.tobytes() for action in actions]

    first = environment.reset(7).tobytes()
    begun = run(environment, actions[:10])
    moment = environment.save()
    rest = run(environment, actions[10:])
    assert environment.reset(8).tobytes() != first
    run(environment, -actions)
    assert environment.reset(7).tobytes() == first and run(environment, actions) == begun + rest
    for again in (environment, other):
        assert again.restore(moment).tobytes() == begun[-1]
        assert (again.step_count, again.progress.completed_at_step) == (10, {})
        assert run(again, actions[10:]) == rest


def test_what_no_seed_decides_is_not_restored() -> None:
    environment = made("gymnasium:Drifting-v0")
    environment.step(np.zeros(2))
    with pytest.raises(ConfigError, match="gymnasium:Drifting-v0 does not repeat an episode"):
        environment.restore(environment.save())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gymnasium", "task family is 'gymnasium', expected any environment of Gymnasium"),
        ("gymnasium:", "as in gymnasium:PointMaze_UMaze-v3"),
        ("gymnasium:PointMaze_Umaze-v3", "not registered with Gymnasium. Did you mean PointMaze_UMaze-v3 or "),
        ("gymnasium:no_such_module:Line-v0", "module of .* is 'no_such_module', expected one of an installed package"),
        ("gymnasium:this:Line-v0", "is 'this', expected one of an installed package that depends on gym"),
        ("gymnasium:gymnasium_robotics:Line-v9", "environment is 'Line-v9', which is not registered with Gymnasium"),
        ("gymnasium:Discrete-v0", r"Discrete-v0 has discrete actions \(Discrete\(4\)\), expected a Box"),
        ("gymnasium:Whole-v0", r"Whole-v0 has actions Box\(-1, 1, \(2,\), int64\), expected a Box of numbers"),
        ("gymnasium:Unbounded-v0", "Unbounded-v0 has actions without bounds"),
        ("gymnasium:Pictures-v0", r"observes pictures \(Box\(0, 255, \(8, 8, 3\), uint8\)\), which are not read yet"),
        ("gymnasium:Words-v0", "Words-v0 observes Text"),
        ("gymnasium:Silent-v0", r"does not say when it has succeeded \(info has reward_far\)"),
    ],
)
def test_what_cannot_be_a_family_says_why_in_one_line(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as found:
        split_task(name)
    assert "\n" not in str(found.value)


def test_without_gymnasium_the_next_step_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    monkeypatch.delitem(sys.modules, "spirl_ros.tasks.gymnasium_family", raising=False)
    with pytest.raises(ConfigError, match="needs the package gymnasium, which is not installed. .*spirl_ros.sim"):
        find_family.__wrapped__("gymnasium:Line-v0")


def test_what_an_environment_has_not_is_refused() -> None:
    family = find_family("gymnasium:Line-v0")
    with pytest.raises(ConfigError, match="noise of its environment"):
        family.environment(EpisodeConfig(noise=MeasurementNoise()))
    with pytest.raises(ConfigError, match="max_steps is 0"):
        family.environment(EpisodeConfig(max_steps=0))
    with pytest.raises(ConfigError, match="Leave positions out"):
        made("gymnasium:Line-v0", EpisodeConfig(noise=NO_NOISE)).reset(0, positions=np.zeros(4))
    with pytest.raises(ConfigError, match="only while it runs"):
        family.done(np.zeros((1, 4)))


def test_sac_learns_goes_on_and_is_evaluated_without_skills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch = pytest.importorskip("torch", reason="learning needs torch")
    pytest.importorskip("onnx", reason="export needs onnx")
    from spirl_ros.rl.policy_bundle import exported_policy
    from spirl_ros.rl.run import RlRun
    from spirl_ros.rl.train import train_policy

    settings = ("batch_size=8", "critic_hidden=8", "critic_layers=1", "policy_hidden=8", "policy_layers=1")
    settings += ("evaluation_episodes=1", "evaluate_every=30", "warm_up_decisions=4", "updates_per_decision=0.5")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    changes = [part for setting in settings for part in ("--set", setting)]
    task = "gymnasium:Line-v0"
    assert main(["rl", "train", "--task", task, "--method", "sac", "--out", str(whole), "--steps", "60", *changes]) == 0
    run = RlRun.open(whole)
    assert run.config.skills is None and not (whole / "skills").exists()
    assert run.config.training.task == run.config.training.robot == task

    def interrupt(report: Any) -> None:
        if report.step >= 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_policy(RlRun.create(broken, run.config), interrupt)
    assert main(["rl", "train", "--out", str(broken), "--resume"]) == 0
    ours, theirs = (RlRun.open(folder).load_checkpoint() for folder in (whole, broken))
    assert ours is not None and theirs is not None
    for name, value in ours["learner"]["policy"].items():
        assert torch.equal(value, theirs["learner"]["policy"][name])
    assert [{**line, "seconds": 0} for line in run.metrics()] == [
        {**line, "seconds": 0} for line in RlRun.open(broken).metrics()
    ]
    bundle = ["rl", "eval", "--bundle", str(exported_policy(whole, tmp_path / "bundle").folder)]
    capsys.readouterr()
    assert main([*bundle, "--task", task, "--episodes", "3", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(figures["per_subtask"]) == ["reached"] and figures["episodes"] == 3
    assert main([*bundle, "--task", MAZE]) == 2
    assert f"task is {MAZE}, but the policy" in capsys.readouterr().err
    assert main([*bundle, "--episodes", "1", "--video", str(tmp_path / "film.gif")]) == 2
    assert "only the scenes of MuJoCo can be filmed" in capsys.readouterr().err
