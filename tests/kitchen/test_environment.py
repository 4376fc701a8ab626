import numpy as np
import pytest

from spirl_ros.errors import CommandError, ConfigError
from spirl_ros.kitchen.environment import KitchenConfig, KitchenEnvironment
from spirl_ros.kitchen.scene import INITIAL_POSITIONS, load_kitchen_scene
from spirl_ros.tasks.mujoco_simulation import MujocoSimulation
from spirl_ros.tasks.task import NO_NOISE


@pytest.fixture(scope="module")
def environment() -> KitchenEnvironment:
    return KitchenEnvironment()


def random_actions(seed: int, steps: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1.0, 1.0, (steps, 9))


def test_scene_names_cover_the_observation() -> None:
    scene = load_kitchen_scene()
    assert (len(scene.joint_names), len(scene.scene_names)) == (9, 21)
    assert scene.joint_names[0] == "panda0_joint1"
    assert scene.scene_names[-7:] == tuple(f"kettle_{c}" for c in ("x", "y", "z", "qw", "qx", "qy", "qz"))
    assert scene.physics_steps_per_control_step == 40


def test_physics_does_not_depend_on_visual_geometry() -> None:
    seen, unseen = (MujocoSimulation(load_kitchen_scene(with_visuals=visuals), NO_NOISE) for visuals in (True, False))
    for action in random_actions(0, 30):
        for simulation in (seen, unseen):
            simulation.command(INITIAL_POSITIONS[:9] + 0.3 * action)
            simulation.advance(40)
    np.testing.assert_array_equal(seen.data.qpos, unseen.data.qpos)
    np.testing.assert_array_equal(seen.data.qvel, unseen.data.qvel)


def test_same_seed_gives_same_episode_to_the_last_bit(environment: KitchenEnvironment) -> None:
    def episode(seed: int) -> np.ndarray:
        first = environment.reset(seed)
        return np.stack([first, *(environment.step(action).observation for action in random_actions(1, 20))])

    np.testing.assert_array_equal(episode(3), episode(3))
    assert not np.array_equal(episode(3), episode(4))


def test_noise_can_be_switched_off() -> None:
    quiet = KitchenEnvironment(KitchenConfig(noise=NO_NOISE))
    np.testing.assert_array_equal(quiet.reset(0), INITIAL_POSITIONS)


def test_noise_is_at_most_its_amplitude(environment: KitchenEnvironment) -> None:
    # 0.01 x 0.1 rad on the arm, 0.0005 x 0.1 at most on the scene (franka_config.xml).
    errors = np.abs([environment.reset(seed) - INITIAL_POSITIONS for seed in range(50)])
    assert 0.0009 < errors[:, :9].max() <= 0.001
    assert 0 < errors[:, 9:].max() <= 5e-5


def test_restored_state_continues_to_the_last_bit(environment: KitchenEnvironment) -> None:
    environment.reset(7)
    for action in random_actions(2, 15):
        environment.step(action)
    saved = environment.save()
    actions = random_actions(3, 25)
    expected = [environment.step(action) for action in actions]
    other = KitchenEnvironment(scene=environment.scene)
    for continued in (environment, other):
        continued.restore(saved)
        for action, result in zip(actions, expected, strict=True):
            again = continued.step(action)
            np.testing.assert_array_equal(again.observation, result.observation)
            assert again[1:] == result[1:]
        assert (continued.step_count, continued.seed) == (40, 7)


def test_episode_is_truncated_not_terminated_when_time_runs_out() -> None:
    environment = KitchenEnvironment(KitchenConfig(max_steps=3))
    results = [environment.step(np.zeros(9)) for _ in range(3)]
    assert [(result.terminated, result.truncated) for result in results] == [(False, False)] * 2 + [(False, True)]
    assert environment.has_ended
    environment.reset(1)
    assert not environment.has_ended


def put_done(environment: KitchenEnvironment, **coordinates: float) -> None:
    for name, value in coordinates.items():
        environment.simulation.data.qpos[9 + environment.scene.scene_names.index(name)] = value


def test_completing_the_task_terminates_and_pays_once() -> None:
    environment = KitchenEnvironment(KitchenConfig(task="microwave,slide_cabinet"))
    put_done(environment, slide_cabinet=0.37)
    first = environment.step(np.zeros(9))
    assert (first.reward, first.terminated) == (0.0, False), "the slide cabinet is second in order"
    assert environment.progress.completed_any_order == 1
    put_done(environment, microwave=-0.75)
    second = environment.step(np.zeros(9))
    assert (second.reward, second.terminated, second.truncated) == (2.0, True, False)
    assert environment.progress.completed_in_order == 2


def test_nothing_counts_after_the_end_of_an_episode() -> None:
    """Where nobody reset the scene, the task went on to "step 723 of 280", and paid for what fell into place by
    then."""
    environment = KitchenEnvironment(KitchenConfig(task="microwave", max_steps=3))
    for _ in range(3):
        environment.step(np.zeros(9))
    measured = environment.measurement
    put_done(environment, microwave=-0.75)
    late = environment.step(np.zeros(9))
    assert (late.reward, late.terminated, late.truncated, environment.step_count) == (0.0, False, True, 3)
    assert environment.progress.completed_at_step == {}
    assert environment.measurement is not measured  # the scene itself moves on


def test_episode_begins_at_rest_at_other_positions_when_asked(environment: KitchenEnvironment) -> None:
    positions = INITIAL_POSITIONS.copy()
    positions[0] += 0.2
    # Noise on the first joint is at most 0.001 rad; the initial state is 0.2 rad away.
    assert environment.reset(0, positions)[0] == pytest.approx(positions[0], abs=0.002)
    assert environment.simulation.data.ctrl[0] == positions[0]
    assert (environment.simulation.data.qvel == 0.0).all()
    assert environment.reset(0)[0] == pytest.approx(INITIAL_POSITIONS[0], abs=0.002)


@pytest.mark.parametrize("bad", [np.zeros(8), np.full(9, np.nan), np.array([np.inf] + [0.0] * 8), np.zeros((1, 9))])
def test_bad_action_is_refused_and_changes_nothing(environment: KitchenEnvironment, bad: np.ndarray) -> None:
    environment.reset(0)
    before = environment.save()
    for act in (environment.step, environment.step_command):
        with pytest.raises(CommandError):
            act(bad)
    after = environment.save()
    np.testing.assert_array_equal(before.simulation.physics, after.simulation.physics)
    assert (before.step, before.simulation.generator) == (after.step, after.simulation.generator)


def test_commands_beyond_the_joint_limits_are_clipped(environment: KitchenEnvironment) -> None:
    environment.reset(0)
    environment.step_command(np.full(9, 100.0))
    np.testing.assert_array_equal(environment.simulation.data.ctrl, environment.scene.position_upper)


@pytest.mark.parametrize("config", [{"task": "tidy_up"}, {"count": "some"}, {"max_steps": 0}])
def test_bad_configuration_is_refused(config: dict) -> None:
    with pytest.raises(ConfigError):
        KitchenEnvironment(KitchenConfig(**config))
