"""Disturbances by exact values: what errs and by how much, what comes late, and what is different in the physics."""

from dataclasses import replace

import mujoco
import numpy as np
import pytest

from spirl_ros.control.observation_fields import ObservationSpec, state_field
from spirl_ros.errors import ConfigError
from spirl_ros.tasks.disturbance import (
    NO_DISTURBANCE,
    Disturbance,
    DisturbedEpisodes,
    chosen_disturbances,
    observation_errors,
)
from spirl_ros.tasks.disturbed_physics import own_physics
from tests.tasks.small_family import SMALL

_ROBOT = SMALL.robot  # shoulder, elbow [rad], drawer [m]
_POSE = ("x", "y", "z", "qw", "qx", "qy", "qz")
_UNITS = {**_ROBOT.units, **{f"box_{part}": "m" if len(part) == 1 else "1" for part in _POSE}}
_WITH_BOX = replace(_ROBOT, observation=ObservationSpec((state_field(_UNITS, _UNITS.values()),)))


def _observed(disturbance: Disturbance, seed: int, steps: int, size: int = 3) -> np.ndarray:
    """What is seen of a robot whose values are all 0."""
    episodes = DisturbedEpisodes(disturbance, _ROBOT)
    episodes.begin(seed)
    return np.array([episodes.observe(np.zeros(size)) for _ in range(steps)])


def test_nothing_is_disturbed_by_nothing():
    assert not _observed(NO_DISTURBANCE, seed=1, steps=3).any()


@pytest.mark.parametrize("delay", [1, 2])
def test_late_action_is_that_of_so_many_steps_before(delay):
    episodes = DisturbedEpisodes(Disturbance(action_delays=(delay,)), _ROBOT)
    given = [np.full(2, float(step)) for step in range(1, 6)]
    for _ in range(2):  # what is under way is forgotten by the next episode
        episodes.begin(3)
        executed = [episodes.late(action)[0] for action in given]
        assert executed == [*[0.0] * delay, 1.0, 2.0, 3.0, 4.0, 5.0][:5]


def test_old_observation_is_that_of_the_step_before():
    episodes = DisturbedEpisodes(Disturbance(observation_delays=(1,)), _ROBOT)
    episodes.begin(3)
    assert [episodes.observe(np.full(3, float(step)))[0] for step in range(4)] == [0.0, 0.0, 1.0, 2.0]


def test_offset_stays_for_an_episode_and_fills_its_range():
    disturbance = Disturbance(offsets={"dra*": 0.02})
    firsts = []
    for seed in range(400):
        seen = _observed(disturbance, seed, steps=3)
        assert np.array_equal(seen[0], seen[2]) and not seen[:, :2].any()
        firsts.append(seen[0, 2])
    assert np.abs(firsts).max() <= 0.02
    assert np.std(firsts) == pytest.approx(0.02 / 3**0.5, rel=0.1)


def test_noise_is_drawn_anew_each_step_and_fills_its_range():
    seen = _observed(Disturbance(noise={"shoulder": 0.01}), seed=5, steps=2000)
    assert np.abs(seen[:, 0]).max() <= 0.01 and not seen[:, 1:].any()
    assert seen[:, 0].std() == pytest.approx(0.01 / 3**0.5, rel=0.05)
    assert abs(np.corrcoef(seen[:-1, 0], seen[1:, 0])[0, 1]) < 0.1


def test_same_seed_draws_the_same_and_another_seed_something_else():
    disturbance = Disturbance(offsets={"*": 0.1}, noise={"*": 0.1})
    first = _observed(disturbance, seed=7, steps=4)
    assert np.array_equal(first, _observed(disturbance, seed=7, steps=4))
    assert not np.array_equal(first, _observed(disturbance, seed=8, steps=4))


def test_rotation_error_turns_a_quaternion_by_at_most_its_angle():
    episodes = DisturbedEpisodes(Disturbance(rotation_noise={"box": 0.04}), _WITH_BOX)
    episodes.begin(0)
    true = np.array([0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 0.6, 0.0, 0.8, 0.0])
    seen = np.array([episodes.observe(true) for _ in range(500)])
    assert np.array_equal(seen[:, :6], np.tile(true[:6], (500, 1)))
    assert np.linalg.norm(seen[:, 6:], axis=1) == pytest.approx(np.ones(500))
    angles = 2.0 * np.arccos(np.minimum(seen[:, 6:] @ true[6:], 1.0))
    assert 0.035 < angles.max() <= 0.04 + 1e-6


def test_share_leaves_episodes_without():
    episodes = DisturbedEpisodes(Disturbance(offsets={"drawer": 1.0}, gains=(0.5, 1.5), share=0.25), _ROBOT)
    offsets, gains = [], []
    for seed in range(400):
        episodes.begin(seed)
        offsets.append(episodes.observe(np.zeros(3))[2])
        gains.append(episodes.gain)
    assert np.mean(np.array(offsets) != 0.0) == pytest.approx(0.25, abs=0.06)
    assert np.mean(np.array(gains) != 1.0) == pytest.approx(0.25, abs=0.06)
    assert 0.5 <= min(gains) < 0.7 and 1.3 < max(gains) <= 1.5


def test_physics_differ_by_their_factors_and_only_in_one_robot():
    disturbance = Disturbance(gains=(0.8, 0.8), damping=(2.0, 2.0), masses={"box": (2.0, 2.0)})
    environment, other = SMALL.environment(), SMALL.environment()
    usual = other.scene.model
    episodes = DisturbedEpisodes(disturbance, _ROBOT)
    physics = own_physics(environment, episodes)
    for seed in range(3):  # factors do not pile up
        episodes.begin(seed)
        assert physics.begin() is None
    model = environment.scene.model
    assert model.actuator_gainprm[:, 0].tolist() == [48.0, 48.0]
    assert model.actuator_biasprm[:, 1].tolist() == [-48.0, -48.0]
    assert model.dof_damping.tolist() == [4.0, 4.0, 2.0]
    box = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, "box")
    assert model.body_mass[box] == 2.0 * usual.body_mass[box]
    assert usual.actuator_gainprm[:, 0].tolist() == [60.0, 60.0] and usual.dof_damping.tolist() == [2.0, 2.0, 1.0]


def test_push_adds_a_velocity_to_the_joints_at_its_time():
    environment = SMALL.environment()
    episodes = DisturbedEpisodes(Disturbance(push=1.5, push_every=3), _ROBOT)
    physics = own_physics(environment, episodes)
    episodes.begin(4)
    velocities = environment.simulation.data.qvel
    speeds = []
    for _ in range(6):
        velocities[:] = 0.0
        physics.push()
        speeds.append(np.abs(velocities[:2]).max())
        assert velocities[2] == 0.0
    assert [speed > 0.0 for speed in speeds] == [False, False, True, False, False, True]
    assert max(speeds) <= 1.5


def test_episode_begins_elsewhere_within_the_limits():
    environment = SMALL.environment()
    episodes = DisturbedEpisodes(Disturbance(start={"shoulder": 5.0, "drawer": 0.03}), _ROBOT)
    physics = own_physics(environment, episodes)
    starts = []
    for seed in range(100):
        episodes.begin(seed)
        starts.append(physics.begin())
    starts = np.array(starts)
    assert np.abs(starts[:, 0]).max() == 2.0  # the joint's limit
    assert 0.02 < np.abs(starts[:, 2]).max() <= 0.03 and not starts[:, 1].any()


def test_names_that_nothing_has_are_refused():
    with pytest.raises(ConfigError, match=r"about knob\*, but the robot observes shoulder, elbow, drawer"):
        DisturbedEpisodes(Disturbance(offsets={"knob*": 0.1}), _ROBOT)
    with pytest.raises(ConfigError, match="turns box, but the robot observes no box_qw"):
        DisturbedEpisodes(Disturbance(rotation_noise={"box": 0.1}), _ROBOT)
    with pytest.raises(ConfigError, match="about the body kettle, but the scene has world, upper, lower, box"):
        own_physics(SMALL.environment(), DisturbedEpisodes(Disturbance(masses={"kettle": (1.0, 2.0)}), _ROBOT))


def test_disturbances_are_chosen_by_name_with_none_first():
    chosen = chosen_disturbances(SMALL, "gains_low,actions_1_late")
    assert list(chosen) == ["undisturbed", "gains_low", "actions_1_late"]
    assert list(chosen_disturbances(SMALL, "all")) == ["undisturbed", *SMALL.disturbances()]
    with pytest.raises(ConfigError, match=r"disturbance is 'gain_low', but the small has .*, and all.*'gains_low'\?"):
        chosen_disturbances(SMALL, "gain_low")


def test_errors_in_training_have_the_widths_of_constant_ones():
    disturbance = Disturbance(offsets={"box_[xyz]": 0.02}, rotation_offsets={"box": 0.2})
    errors = observation_errors(disturbance, _WITH_BOX.observation_names)
    assert errors.tolist() == [0.0] * 3 + [0.02] * 3 + [np.sin(0.1)] * 4
