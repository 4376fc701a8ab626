"""Training of the skill model: it learns, continues bit for bit, and stops when it goes wrong."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from spirl_ros.demonstrations.dataset import Dataset
from spirl_ros.errors import ConfigError, TrainingError
from spirl_ros.skills.config import SkillModelConfig, SkillTrainingConfig
from spirl_ros.skills.presets import PRESETS, resolve
from spirl_ros.skills.reconstruction import reconstruction_report
from spirl_ros.skills.run import SkillRun, SkillRunConfig
from spirl_ros.skills.train import check_dataset, dataset_reference, default_preset, disturbance_of, train
from spirl_ros.skills.training import ObservedWith, SkillTraining, spread_weights
from spirl_ros.tasks.disturbance import Disturbance
from tests.demonstrations.small_dataset import METADATA, make_episode

MODEL = SkillModelConfig(
    skill_horizon=4, latent_size=3, encoder_hidden=16, decoder_hidden=16, prior_hidden=16, prior_layers=2
)
TRAINING = SkillTrainingConfig(steps=30, batch_size=16, validation_every=10, validation_share=0.25)


def episodes(count: int = 4, steps: int = 20):
    return [make_episode(steps, seed) for seed in range(count)]


def learnable_episodes():
    """Actions that follow from the observation: (first, second) is minus (first, second) of it."""
    found = []
    for seed in range(8):
        episode = make_episode(30, seed)
        observations = np.tanh(episode.observations)
        found.append(make_episode(30, seed, observations=observations, actions=-observations[:-1, :2]))
    return found


def test_training_lowers_the_loss():
    config = replace(TRAINING, steps=300, validation_every=50, learning_rate=5e-3, averaging=0.9)
    reports = [r for r in SkillTraining(learnable_episodes(), MODEL, config).run() if r.is_validation]
    assert reports[-1].reconstruction < 0.3 * reports[0].reconstruction
    assert [r.step for r in reports] == [50, 100, 150, 200, 250, 300]


def with_a_slow_joint(scale=2.0):
    """The second joint's actions are a twentieth of the first's, as a finger's in metres are with one scale for all."""
    found = []
    for seed, episode in enumerate(learnable_episodes()):
        metadata = replace(METADATA, action_scale=scale)
        actions = episode.actions * (1.0, 0.05)
        found.append(make_episode(30, seed, metadata, observations=episode.observations, actions=actions))
    return found


@pytest.mark.slow
def test_joint_that_moves_little_is_learned_as_well_as_the_others():
    """Fitted to all joints alike, a gripper's finger had R² 0.41 where the arm's joints had 0.95 to 0.99."""
    explained = {}
    for choice in ("equal", "spread"):
        config = replace(TRAINING, steps=600, batch_size=32, learning_rate=5e-3, averaging=0.9, joint_weights=choice)
        training = SkillTraining(
            with_a_slow_joint(), MODEL, replace(config, validation_every=600, validation_share=0.0)
        )
        for _ in training.run():
            pass
        report = reconstruction_report(training.averaged_model.eval(), with_a_slow_joint())
        explained[choice] = report.explained_per_joint
    assert explained["equal"][0] > 0.95 and explained["equal"][1] < 0.85
    assert min(explained["spread"]) > 0.9


@pytest.mark.parametrize(
    ("scale", "choice", "is_weighted"),
    [(2.0, "auto", False), ((2.0, 0.1), "auto", True), (2.0, "spread", True), ((2.0, 0.1), "equal", False)],
)
def test_joints_are_weighted_where_they_have_scales_of_their_own_or_it_is_asked_for(scale, choice, is_weighted):
    training = SkillTraining(with_a_slow_joint(scale), MODEL, replace(TRAINING, joint_weights=choice))
    assert (training.joint_weights is not None) == is_weighted
    observations, actions = torch.zeros(2, 4, 3), torch.ones(2, 4, 2)
    for parameter in training.model.decoder.parameters():
        torch.nn.init.zeros_(parameter)
    losses, _ = training.model.losses(observations, actions, joint_weights=training.joint_weights)
    weights = [1.0, 1.0] if training.joint_weights is None else training.joint_weights.tolist()
    assert losses.reconstruction.item() == pytest.approx(0.5 * np.mean(weights), rel=1e-5)  # every error is 1
    if is_weighted:
        assert weights[1] / weights[0] == pytest.approx(400.0, rel=0.1)  # 0.05⁻²


def test_weights_make_errors_relative_to_each_joints_own_spread():
    # Variances 1, 0.01 and 0, which counts as 0.01² of the largest; their mean is 1.0101 / 3.
    actions = np.array([[1.0, 0.1, 0.3], [-1.0, -0.1, 0.3]])
    np.testing.assert_allclose(spread_weights(actions), 1.0101 / 3.0 * np.array([1.0, 100.0, 10_000.0]))
    np.testing.assert_array_equal(spread_weights(np.ones((5, 2))), [1.0, 1.0])


def test_held_out_episodes_are_not_trained_on():
    training = SkillTraining(episodes(4), MODEL, TRAINING)
    assert training.windows.count == 3 * 17  # 3 of 4 episodes, 20 - 4 + 1 windows each


@pytest.mark.parametrize("change", [{}, {"target_kl": 2.0}, {"decoded_steps": 0}])
def test_restored_training_continues_bit_for_bit(change):
    config = replace(TRAINING, **change)
    uninterrupted = SkillTraining(episodes(), MODEL, config)
    for _ in uninterrupted.run():
        pass
    interrupted = SkillTraining(episodes(), MODEL, config)
    list(islice(interrupted.run(), 17))
    state = interrupted.state()
    restored = SkillTraining(episodes(), MODEL, config)
    restored.restore(state)
    for _ in restored.run():
        pass
    for name in ("model", "averaged_model"):
        expected, found = getattr(uninterrupted, name).state_dict(), getattr(restored, name).state_dict()
        assert all(torch.equal(expected[key], found[key]) for key in expected)
    assert restored.best_loss == uninterrupted.best_loss


def test_target_kl_raises_beta_while_the_kl_is_too_large():
    config = replace(TRAINING, target_kl=1e-3, beta=1e-4)
    reports = list(SkillTraining(episodes(), MODEL, config).run())
    assert reports[-1].beta > reports[0].beta >= 1e-4


def test_a_loss_that_is_not_finite_stops_training_and_names_the_batch():
    training = SkillTraining(episodes(), MODEL, TRAINING)
    list(islice(training.run(), 5))
    with torch.no_grad():
        next(training.model.encoder.parameters()).fill_(torch.nan)
    with pytest.raises(TrainingError, match=r"batch 6 is nan.*last checkpoint is kept"):
        next(training.run())


def test_kl_to_a_mixture_is_refused():
    with pytest.raises(ConfigError, match="no closed form"):
        SkillTraining(episodes(), replace(MODEL, prior_components=2), replace(TRAINING, prior_loss="kl"))


def test_too_few_episodes_for_the_split_are_refused():
    with pytest.raises(ConfigError, match="at least 2"):
        SkillTraining(episodes(1), MODEL, TRAINING)


def test_skill_longer_than_an_episode_is_refused():
    dataset = Dataset((make_episode(20), make_episode(3, 1)), "kitchen")
    with pytest.raises(ConfigError, match="skill_horizon is 4, but episode 1 has only 3"):
        check_dataset(dataset, MODEL, TRAINING)


def test_unknown_device_is_refused():
    with pytest.raises(ConfigError, match="device is 'abacus'"):
        SkillTraining(episodes(), MODEL, replace(TRAINING, device="abacus"))


def new_run(folder, training: SkillTrainingConfig = TRAINING) -> tuple[SkillRun, Dataset]:
    dataset = Dataset(tuple(episodes()), "kitchen")
    config = SkillRunConfig(
        MODEL, training, dataset_reference(folder, dataset, "d1g35t"), "c0mm1t", "spirl skills train"
    )
    return SkillRun.create(folder, config), dataset


def test_run_folder_keeps_configuration_model_and_metrics(tmp_path):
    run, dataset = new_run(tmp_path / "run")
    train(run, dataset)
    reopened = SkillRun.open(tmp_path / "run")
    assert reopened.config == run.config
    assert reopened.config.dataset.observation_names == METADATA.observation_names
    assert [v["step"] for v in reopened.metrics() if v["part"] == "validation"] == [10, 20, 30]
    assert not reopened.load_best_model().training
    assert not list((tmp_path / "run").glob(".*"))


def test_interrupted_run_gives_the_same_model_as_an_uninterrupted_one(tmp_path):
    def interrupt(report):
        if report.step == 17:
            raise KeyboardInterrupt

    whole, dataset = new_run(tmp_path / "whole")
    train(whole, dataset)
    broken, _ = new_run(tmp_path / "broken")
    with pytest.raises(KeyboardInterrupt):
        train(broken, dataset, interrupt)
    train(broken, dataset)
    expected, found = whole.load_best_model().state_dict(), broken.load_best_model().state_dict()
    assert all(torch.equal(expected[key], found[key]) for key in expected)
    assert broken.metrics() == whole.metrics()


def test_damaged_checkpoint_is_named(tmp_path):
    run, dataset = new_run(tmp_path / "run")
    train(run, dataset)
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"PK\x03\x04 not much")
    with pytest.raises(TrainingError, match=r"checkpoint.pt cannot be read"):
        run.load_checkpoint()


def test_existing_run_is_not_overwritten(tmp_path):
    new_run(tmp_path / "run")
    with pytest.raises(ConfigError, match="--resume"):
        new_run(tmp_path / "run")


def test_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="is no skill training"):
        SkillRun.open(tmp_path)


def test_preset_with_changes():
    model, training = resolve("quick", "open_loop", ["latent_size=12", "beta=1e-4", "standardise=false"])
    assert (model.decoder, model.latent_size, model.standardise) == ("open_loop", 12, False)
    assert training.beta == 1e-4
    assert training.batch_size == PRESETS["quick"][1].batch_size


@pytest.mark.parametrize(
    ("preset", "change", "message"),
    [
        ("slow", "seed=1", "preset is 'slow', expected one of quick"),
        ("quick", "seed", "expected NAME=VALUE"),
        ("quick", "seeds=1", "'seeds' is unknown. Known: decoder"),
        ("quick", "latent_size=ten", "latent_size is 'ten', expected a value such as"),
        ("quick", "latent_size=0", "latent_size is 0, expected at least 1"),
    ],
)
def test_impossible_settings_are_refused(preset, change, message):
    with pytest.raises(ConfigError, match=message):
        resolve(preset, None, [change])


def test_decoder_and_prior_see_errors_within_their_bounds_and_old_observations():
    disturbance = Disturbance(observation_delays=(0,), action_delays=(0, 2))
    observed = ObservedWith(np.array([0.5, 0.0]), disturbance, torch.device("cpu"))
    true = torch.arange(6.0).view(1, 6, 1).expand(2000, 6, 2)  # the step, twice
    seen = observed(true, torch.Generator().manual_seed(0))
    assert seen is not None
    late = seen[:, 5, 1] == 3.0
    assert torch.equal(seen[late][:, :, 1], torch.tensor([0.0, 0.0, 0.0, 1.0, 2.0, 3.0]).expand(int(late.sum()), 6))
    assert torch.equal(seen[~late][:, :, 1], true[~late][:, :, 1])
    assert float(late.float().mean()) == pytest.approx(0.25, abs=0.03)
    errors = seen[~late][:, :, 0] - true[~late][:, :, 0]
    assert 0.7 < errors.abs().max() <= 1.0  # constant and anew each step, 0.5 of each at most
    is_constant = ((errors - errors[:, :1]).abs() < 1e-5).all(dim=1)
    assert float(is_constant.float().mean()) == pytest.approx(0.5, abs=0.05)  # half without errors anew each step
    is_exact = (errors.abs() < 1e-5).all(dim=1)
    assert float(is_exact.float().mean()) == pytest.approx(0.25, abs=0.05)


def test_nothing_errs_where_no_disturbance_is_given():
    """So that numbers stay those of a training without."""
    plain = SkillTraining(episodes(), MODEL, TRAINING)
    assert plain.observed_with(torch.zeros(3, 4, 4), plain.noise) is None
    assert next(iter(plain.run())) == next(iter(SkillTraining(episodes(), MODEL, TRAINING, Disturbance()).run()))


def test_value_that_hardly_varies_is_divided_by_what_sensors_err_by():
    names = METADATA.observation_names
    disturbed = SkillTraining(episodes(), MODEL, TRAINING, Disturbance(offsets={names[0]: 3.0, names[1]: 0.0}))
    plain = SkillTraining(episodes(), MODEL, TRAINING)
    spread, floored = (1.0 / np.asarray(subject.model.standardise.scale) for subject in (plain, disturbed))
    assert floored[0] == pytest.approx(np.hypot(spread[0], 3.0)) and floored[1] == pytest.approx(spread[1])


def test_only_robust_training_of_a_known_task_is_disturbed():
    """A dataset of a real arm names a task that no family has."""
    dataset = Dataset(tuple(episodes()), "kitchen")
    robust = replace(TRAINING, robust=True)
    assert "kettle_[xyz]" in disturbance_of(robust, dataset).offsets
    assert disturbance_of(TRAINING, dataset) == Disturbance()
    of_an_arm = Dataset(tuple(episodes()), "pour")
    assert disturbance_of(robust, of_an_arm) == Disturbance()
    assert (default_preset(dataset), default_preset(of_an_arm)) == ("robust", "quick")
    assert [name for name, (_, training) in PRESETS.items() if training.robust] == ["robust"]
