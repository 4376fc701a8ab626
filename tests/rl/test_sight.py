"""Policies and critics that see other fields than the state."""

import copy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from spirl_ros.control.observation_fields import PICTURE, STATE, Field, ObservationSpec, state_field
from spirl_ros.deployment.onnx_graph import OnnxGraph
from spirl_ros.errors import ConfigError
from spirl_ros.rl.config import LearnerConfig, RlTrainingConfig
from spirl_ros.rl.learner import Foundation, Learner, make_sac, skill_foundation
from spirl_ros.rl.networks import folded_copy
from spirl_ros.rl.policy_graph import PolicyGraph
from spirl_ros.rl.policy_module import PolicyModule
from spirl_ros.rl.prior_sac import PriorSac
from spirl_ros.rl.replay import SkillTransition
from spirl_ros.rl.sight import FieldSight
from spirl_ros.skills.config import SkillModelConfig
from spirl_ros.skills.skill_model import SkillModel
from spirl_ros.training_folder import TrainingFolder

STATE_FIELD = state_field(("x", "y", "speed"), ("m", "m", "m/s"))
SPEED = Field("speed_alone", (1,), names=("speed",), units=("m/s",))
EYE = Field("eye", (8, 8, 3), PICTURE, source="above")
SPEC = ObservationSpec(
    (STATE_FIELD, SPEED, EYE),
    prior=("speed_alone", "eye"),
    policy=("speed_alone", STATE, "eye"),
    critic=("eye", STATE),
)
MODEL = SkillModelConfig(
    decoder="open_loop",
    skill_horizon=4,
    latent_size=2,
    prior_hidden=8,
    prior_layers=2,
    picture_features=4,
    picture_width=4,
)
LEARNER = LearnerConfig(batch_size=16, critic_hidden=16, critic_layers=2, waves=2, max_latent=0.0)
TRAINING = RlTrainingConfig(demos_in_replay=False, steps=200, warm_up_decisions=0)
WAVES = 2


def make_model() -> SkillModel:
    torch.manual_seed(0)
    mean, std = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0])
    model = SkillModel(MODEL, 3, 2, mean, std, SPEC.chosen(SPEC.prior), STATE_FIELD.names)
    model.train()
    with torch.no_grad():  # batch norm learns statistics
        for _ in range(20):
            model.prior_at(*split(observed(16)))
    return model.eval()


def observed(count: int, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = np.random.default_rng(seed)
    state = generator.normal((1.0, 2.0, 3.0), (1.0, 2.0, 4.0), (count, 3)).astype(np.float32)
    pictures = generator.integers(0, 256, (count, *EYE.shape), np.uint8)
    values = {STATE: state, "speed_alone": state[:, 2:], "eye": pictures}
    return {name: torch.from_numpy(value) for name, value in values.items()}


def split(observation: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    return observation[STATE], observation


def make_sight(model: SkillModel, spec: ObservationSpec = SPEC) -> FieldSight:
    assert model.eyes is not None
    return FieldSight(spec, model.eyes, model.standardise, STATE_FIELD.names, WAVES)


def seeing_sac(method: str = "spirl", **settings) -> PriorSac:
    model = make_model()
    foundation = Foundation(make_sight(model), folded_copy(model.prior.network), 2, 4)
    torch.manual_seed(1)
    return make_sac(replace(LEARNER, **settings), replace(TRAINING, method=method), foundation, subtasks=1)


def seeing_learner(transitions: int = 40, **settings) -> Learner:
    learner = Learner(TRAINING, seeing_sac(**settings))
    seen = {name: values.numpy() for name, values in observed(transitions + 1).items()}
    generator = np.random.default_rng(3)
    for index in range(transitions):
        before, after = ({name: values[row] for name, values in seen.items()} for row in (index, index + 1))
        latent = generator.standard_normal(2).astype(np.float32)
        reward = float(latent[0])
        learner.add(SkillTransition(before, 0, latent, reward, after, 0, False, False, 4))
    return learner


def test_each_network_sees_its_fields() -> None:
    model = make_model()
    sight, observation = make_sight(model), observed(3)
    seen = sight(observation)
    x, y, speed = ((observation[STATE] - torch.tensor([1.0, 2.0, 3.0])) / torch.tensor([1.0, 2.0, 4.0])).T
    plain = torch.stack((x, y, speed), dim=1)
    # Waves of 4 pi and 2 pi standard deviations.
    place = torch.cat((plain, (plain / 2).sin(), (plain / 2).cos(), plain.sin(), plain.cos()), dim=1)
    assert seen.more is not None and (sight.prior_size, sight.more_size, sight.critic_size) == (5, 15, 19)
    assert torch.allclose(seen.prior[:, 0], speed, atol=1e-6)
    torch.testing.assert_close(seen.more, place, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(seen.critic, torch.cat((seen.prior[:, 1:], place), dim=1), atol=1e-6, rtol=1e-6)


def test_policy_begins_as_the_prior_whatever_it_sees_besides() -> None:
    """Folded into the convolutions, batch norm does in training what the trained prior does."""
    model, sac, observation = make_model(), seeing_sac(), observed(5)
    seen = observation, torch.zeros(5, dtype=torch.int64)
    gaussian, latent = sac.choose(*seen), sac.choose_best(*seen)
    expected = model.prior_at(*split(observation)).most_likely()
    torch.testing.assert_close(gaussian.mean, expected.mean, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(gaussian.log_std, expected.log_std, atol=1e-5, rtol=1e-5)
    assert torch.equal(latent, gaussian.mean)


@pytest.mark.parametrize("method", ["random-start", "ssp"])
def test_policy_that_begins_anew_sees_with_the_priors_encoder_too(method: str) -> None:
    learner = seeing_learner(method=method, max_latent=3.0)
    picture = learner.sac.policy.eyes
    assert picture is not None and not any(weight.requires_grad for weight in picture.parameters())
    before = learner.sac.choose(observed(2), torch.zeros(2, dtype=torch.int64)).mean
    learner.update()
    assert learner.info is not None and np.isfinite(learner.info).all()
    assert not torch.equal(before, learner.sac.choose(observed(2), torch.zeros(2, dtype=torch.int64)).mean)


@pytest.mark.parametrize("trains", [False, True])
def test_encoder_of_the_policy_learns_only_where_asked_for_and_that_of_the_prior_never(trains: bool) -> None:
    learner = seeing_learner(train_picture_encoder=trains)
    sac = learner.sac
    before = copy.deepcopy((sac.policy.state_dict(), sac.sight.state_dict()))
    for _ in range(3):
        learner.update()
    changed = {name for name, value in sac.policy.state_dict().items() if not torch.equal(value, before[0][name])}
    assert {"from_more.weight", "from_progress.weight", "first.weight"} <= changed
    assert {name.startswith("eyes.parts.1") for name in changed} == ({True, False} if trains else {False})
    assert all(torch.equal(value, before[1][name]) for name, value in sac.sight.state_dict().items())


@pytest.mark.parametrize("trains", [False, True])
def test_learner_that_sees_pictures_continues_to_the_last_bit(trains: bool) -> None:
    whole, half = (seeing_learner(train_picture_encoder=trains) for _ in range(2))
    for _ in range(4):
        whole.update()
    for _ in range(2):
        half.update()
    again = seeing_learner(0, train_picture_encoder=trains)
    again.restore(half.state())
    for _ in range(2):
        again.update()
    assert whole.info == again.info
    for name, value in whole.policy.state_dict().items():
        assert torch.equal(value, again.policy.state_dict()[name]), name


def test_replay_keeps_pictures_as_they_are_and_nothing_that_nobody_sees() -> None:
    learner = Learner(TRAINING, seeing_sac())
    seen = {name: values[0].numpy() for name, values in observed(1).items()}
    other = {**seen, "microphone": np.zeros(1000, np.float32)}
    learner.add(SkillTransition(other, 0, np.zeros(2), 0.0, other, 0, False, False, 4))
    drawn = learner.replay.draw(2, np.random.default_rng(0))
    assert set(drawn.observation) == {STATE, "speed_alone", "eye"}
    assert drawn.observation["eye"].dtype == np.uint8
    np.testing.assert_array_equal(drawn.observation["eye"][1], seen["eye"])


@pytest.mark.parametrize("trains", [False, True])
def test_graph_of_a_learning_policy_is_the_policy_as_it_is_then(tmp_path, trains: bool) -> None:
    learner = seeing_learner(train_picture_encoder=trains)
    sac = learner.sac
    graph = PolicyGraph(TrainingFolder(tmp_path), sac.sight, sac.policy)
    assert graph.description.inputs == ("speed_alone", STATE, "eye", "progress")
    for _ in range(3):
        learner.update()
    observation, progress = observed(4), torch.eye(2)[[0, 1, 0, 0]]
    values = [*(observation[name] for name in SPEC.policy), progress]
    shapes = dict(zip(graph.description.inputs, [tuple(value.shape[1:]) for value in values], strict=True))
    outputs: dict[str, tuple[int, ...]] = dict.fromkeys(("mean", "log_std", "latent"), (2,))
    dtypes = {"speed_alone": "float32", STATE: "float32", "eye": PICTURE}
    found = OnnxGraph(graph.model(), shapes, outputs, "cpu", dtypes).run(*(value.numpy() for value in values))
    seen = observation, torch.tensor([0, 1, 0, 0])
    gaussian, latent = sac.choose(*seen), sac.choose_best(*seen)
    module = PolicyModule(sac.sight, sac.policy)(*values)
    for ours, theirs, exported in zip(found, (*gaussian, latent), module, strict=True):
        np.testing.assert_allclose(ours, theirs.detach(), atol=1e-5)
        np.testing.assert_allclose(exported.detach(), theirs.detach(), atol=1e-6)


def test_prior_that_sees_more_than_the_policy_is_refused() -> None:
    spec = ObservationSpec(SPEC.fields, policy=("eye", STATE))
    with pytest.raises(ConfigError, match="the skill prior sees speed_alone, but the policy.* is to see eye, state"):
        make_sight(make_model(), spec)


def test_prior_of_the_state_may_have_a_policy_and_critics_that_see_more(monkeypatch) -> None:
    force = Field("force", (2,), names=("push", "pull"), units=("N", "N"))
    spec = ObservationSpec((STATE_FIELD, force), prior=(STATE,), policy=(STATE, "force"), critic=("force",))
    family = SimpleNamespace(robot=SimpleNamespace(observation=spec))
    monkeypatch.setattr(RlTrainingConfig, "family", family)
    torch.manual_seed(0)
    model = SkillModel(MODEL, 3, 2, np.array([1.0, 2.0, 3.0]), np.ones(3)).eval()
    sight = skill_foundation(model, TRAINING, ()).sight
    state, pushed = torch.tensor([[2.0, 2.0, 2.0]]), torch.tensor([[7.0, -7.0]])
    seen = sight({STATE: state, "force": pushed})
    assert seen.prior.tolist() == [[1.0, 0.0, -1.0]]
    assert seen.more is not None and seen.more.tolist() == seen.critic.tolist() == [[7.0, -7.0]]


def test_picture_that_no_prior_has_learned_to_see_is_refused() -> None:
    other = replace(EYE, name="other")
    spec = replace(SPEC, fields=(*SPEC.fields, other), critic=("other",))
    with pytest.raises(ConfigError, match="see other, but no skill prior has learned what to see in it"):
        make_sight(make_model(), spec)
