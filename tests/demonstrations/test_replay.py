from dataclasses import replace

import numpy as np
import pytest

from spirl_ros.demonstrations.collection import CollectionConfig, record_chain
from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.demonstrations.episode import Episode
from spirl_ros.demonstrations.replay import Drift, EpisodeReplay, EpisodeReplayer, replay_summary, spread_episodes
from spirl_ros.errors import ConfigError, DatasetError
from spirl_ros.kitchen.environment import KitchenConfig, KitchenEnvironment
from spirl_ros.kitchen.family import KITCHEN
from spirl_ros.kitchen.scene import load_kitchen_scene
from spirl_ros.tasks.task import NO_NOISE
from tests.demonstrations.small_dataset import make_dataset, make_episode


def tool_error_mm(replayed: EpisodeReplay) -> Drift:
    assert replayed.tool_error_mm is not None
    return replayed.tool_error_mm


@pytest.fixture(scope="module")
def recorded() -> Episode:
    outcomes = (record_chain(CollectionConfig(seed=3), i) for i in range(10))
    return next(outcome.episode for outcome in outcomes if outcome.episode is not None)


@pytest.fixture(scope="module")
def beginning(recorded) -> Episode:
    """The first five control steps."""
    metadata = replace(recorded.metadata, completed_at_step={})
    return replace(
        recorded,
        observations=recorded.observations[:6],
        actions=recorded.actions[:5],
        executed_actions=recorded.executed_actions[:5],
        rewards=recorded.rewards[:5],
        metadata=metadata,
    )


def with_offset(episode: Episode, step: int, name: str, offset: float) -> Episode:
    observations = episode.observations.copy()
    observations[step, episode.metadata.observation_names.index(name)] += offset
    return replace(episode, observations=observations)


def test_simulated_episode_is_repeated_exactly_from_its_seed(recorded):
    replayed = EpisodeReplayer(KITCHEN).replay(recorded, 7)
    assert (replayed.index, replayed.steps, replayed.start) == (7, recorded.steps, "seed")
    for drift in (replayed.joint_drift, replayed.scene_drift, tool_error_mm(replayed)):
        assert (drift.max, drift.final) == (0.0, 0.0)
    assert replayed.replayed == recorded.metadata.completed_at_step
    assert (replayed.lost, replayed.gained) == ([], [])


def test_episode_drifts_when_it_starts_from_its_first_noisy_observation(recorded):
    replayed = EpisodeReplayer(KITCHEN, "executed", from_observation=True).replay(recorded)
    assert replayed.start == "observation"
    assert tool_error_mm(replayed).max > 0.1
    # The noise of one measurement is at most 0.001 rad: that is what the first observations differ by.
    assert replayed.joint_drift.max > 0.0
    assert replayed.joint_drift.max < 1.0


def test_commands_of_the_recording_drift_less_than_its_actions(recorded):
    """Noise in a measurement moves the command that an action means; the command that was sent has it already."""
    executed, commands = (
        EpisodeReplayer(KITCHEN, a, from_observation=True).replay(recorded) for a in ("executed", "commands")
    )
    assert tool_error_mm(commands).max < tool_error_mm(executed).max
    assert (
        EpisodeReplayer(KITCHEN, "commands").replay(recorded).joint_drift.max < 1e-9
    )  # from the seed, they are the same


@pytest.fixture(scope="module")
def by_hand(recorded) -> Episode:
    """The same motion as somebody's recording in realtime: with noise of its own in every measurement, and no seed."""
    generator = np.random.default_rng(0)
    joints = load_kitchen_scene().joint_count
    meaning = KITCHEN.robot.action_meaning
    observations = recorded.observations + generator.uniform(-0.01, 0.01, recorded.observations.shape)
    commands = [
        meaning.joint_command(action, observation[:joints])
        for action, observation in zip(recorded.executed_actions, recorded.observations, strict=False)
    ]
    executed = meaning.action(np.array(commands), observations[:-1, :joints])
    metadata = replace(recorded.metadata, seed=None)
    return replace(recorded, observations=observations, actions=executed, executed_actions=executed, metadata=metadata)


def test_recording_made_by_hand_is_replayed_by_its_commands(by_hand):
    """By default its actions were carried out again, from other measurements than its own: the tool was 760 mm off."""
    default, executed, commands = (
        EpisodeReplayer(KITCHEN, name).replay(by_hand) for name in ("auto", "executed", "commands")
    )
    assert (default.actions, default.start) == ("commands", "observation")
    assert default == commands
    assert tool_error_mm(default).max < 30.0  # 10 mrad in each of seven joints
    assert tool_error_mm(executed).max > 2.0 * tool_error_mm(default).max


def test_recording_that_leaves_its_seed_later_is_replayed_by_its_commands(recorded):
    """One in realtime without noise begins as its seed says, but its sensors were read at other moments."""
    replayed = EpisodeReplayer(KITCHEN).replay(with_offset(recorded, 20, "panda0_joint1", 1e-3))
    assert (replayed.actions, replayed.start) == ("commands", "observation")
    repeated = EpisodeReplayer(KITCHEN).replay(recorded)
    assert (repeated.actions, repeated.start) == ("executed", "seed")


def test_intended_actions_lead_elsewhere_than_the_executed_ones(recorded):
    assert tool_error_mm(EpisodeReplayer(KITCHEN, "intended").replay(recorded)).max > 10.0


def test_drift_is_the_largest_difference_and_that_at_the_end(beginning):
    changed = with_offset(with_offset(beginning, 2, "microwave", 0.5), 5, "panda0_finger_joint1", 0.03)
    replayed = EpisodeReplayer(KITCHEN, "executed").replay(changed)
    assert replayed.scene_drift.max == pytest.approx(0.5)
    assert replayed.scene_drift.final == 0.0
    assert replayed.joint_drift.final == replayed.joint_drift.max == pytest.approx(0.03)
    assert tool_error_mm(replayed).max == 0.0  # the fingers do not move the tool point


def test_tool_error_is_the_distance_of_the_tool_points(beginning):
    """Joint 1 turns the arm about the vertical through its base, so the tool moves by angle times distance to it."""
    replayer = EpisodeReplayer(KITCHEN, "executed")
    positions = KITCHEN.tool_positions(beginning.observations)
    assert positions is not None
    x, y, _ = positions[5]
    base = load_kitchen_scene().model.body("panda0_link0").pos
    radius_mm = 1000.0 * np.hypot(x - base[0], y - base[1])
    replayed = replayer.replay(with_offset(beginning, 5, "panda0_joint1", 0.001))
    assert tool_error_mm(replayed).final == pytest.approx(0.001 * radius_mm, rel=1e-3)
    assert 300.0 < radius_mm < 900.0


def test_seed_that_does_not_give_the_recorded_start_is_not_used(beginning):
    other = replace(beginning, metadata=replace(beginning.metadata, seed=beginning.metadata.seed + 1))
    assert EpisodeReplayer(KITCHEN).replay(other).start == "observation"


def test_realtime_recording_is_replayed_from_its_first_observation(beginning):
    """It begins as its seed says, but its sensors were read more than once in a control step: other noise."""
    assert EpisodeReplayer(KITCHEN).replay(with_offset(beginning, 1, "microwave", 1e-6)).start == "observation"


def test_episode_without_measurement_noise_is_repeated_from_its_seed(beginning):
    environment = KitchenEnvironment(KitchenConfig(noise=NO_NOISE))
    observations = [environment.reset(1), *(environment.step(action).observation for action in beginning.actions)]
    metadata = replace(beginning.metadata, seed=1, measurement_noise=vars(NO_NOISE))
    quiet = replace(beginning, observations=observations, executed_actions=beginning.actions, metadata=metadata)
    replayed = EpisodeReplayer(KITCHEN).replay(quiet)
    assert (replayed.start, replayed.joint_drift.max) == ("seed", 0.0)


def test_lost_and_gained_subtasks_are_named(recorded):
    done = list(recorded.metadata.completed_at_step)
    missing = next(name for name in ("kettle", "microwave", "light_switch", "top_burner", "x") if name not in done)
    metadata = replace(recorded.metadata, completed_at_step={missing: 4, done[0]: 9})
    replayed = EpisodeReplayer(KITCHEN).replay(replace(recorded, metadata=metadata))
    assert replayed.lost == [missing]
    assert replayed.gained == done[1:]
    summary = replay_summary([replayed, EpisodeReplayer(KITCHEN).replay(recorded)])
    assert (summary["same_subtasks"], summary["subtasks_recorded"], summary["subtasks_repeated"]) == (1, 6, 5)
    assert (summary["replayed"], summary["started_from_seed"], summary["tool_error_mm_max"]) == (2, 2, 0.0)


def test_episode_of_another_robot_or_rate_is_refused(recorded):
    with pytest.raises(DatasetError, match="observation_names is .*joint_a.*but the simulated kitchen has"):
        EpisodeReplayer(KITCHEN).replay(make_episode(3))
    slower = replace(recorded, metadata=replace(recorded.metadata, control_rate_hz=10.0))
    with pytest.raises(DatasetError, match="control_rate_hz is 10, but the simulated kitchen runs at 12.5 Hz"):
        EpisodeReplayer(KITCHEN).replay(slower)


def test_unknown_actions_are_refused():
    with pytest.raises(ConfigError, match="actions is 'planned', expected one of auto, executed, intended, commands"):
        EpisodeReplayer(KITCHEN, "planned")


def test_replayed_episodes_are_spread_over_the_dataset():
    dataset: Dataset = make_dataset((2,) * 9)
    assert spread_episodes(dataset, 3) == [0, 4, 8]
    assert spread_episodes(dataset, 100) == list(range(9))
    assert spread_episodes(dataset, 1) == [0]
