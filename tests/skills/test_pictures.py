"""Skill priors that see pictures, and vectors other than the state."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from spirl_ros.control.observation_fields import PICTURE, STATE, Field, state_field
from spirl_ros.errors import ConfigError
from spirl_ros.skills.config import SkillModelConfig, SkillTrainingConfig
from spirl_ros.skills.field_features import FieldFeatures
from spirl_ros.skills.networks import Standardiser
from spirl_ros.skills.picture_encoder import PICTURE_ENCODERS, PictureEncoder, shifted
from spirl_ros.skills.reconstruction import reconstruction_report
from spirl_ros.skills.skill_model import SkillModel
from spirl_ros.skills.training import SkillTraining
from tests.demonstrations.small_dataset import METADATA, make_episode

STATE_NAMES = METADATA.observation_names
EYE = Field("eye", (8, 10, 3), PICTURE, source="wrist")
DOOR = Field("door_alone", (1,), names=("door",), units=("rad",))
FORCE = Field("force", (2,), names=("x", "y"), units=("1", "1"))
CONFIG = SkillModelConfig(
    decoder="open_loop",
    skill_horizon=4,
    latent_size=3,
    encoder_hidden=16,
    decoder_hidden=16,
    prior_hidden=16,
    prior_layers=2,
    picture_features=4,
    picture_width=4,
)
TRAINING = SkillTrainingConfig(steps=6, batch_size=16, validation_every=3, validation_share=0.25)


def pictures(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *EYE.shape), np.uint8)


def seeing_episodes(count: int = 4):
    metadata = replace(METADATA, more_fields=(EYE, FORCE))
    found = []
    for seed in range(count):
        force = np.random.default_rng(seed).normal((5.0, -1.0), (2.0, 0.5), (21, 2)).astype(np.float32)
        found.append(make_episode(20, seed, metadata, fields={"eye": pictures(21, seed), "force": force}))
    return found


def make_model(*fields: Field, **changes) -> SkillModel:
    torch.manual_seed(0)
    mean, std = np.array([0.0, 0.0, 2.0]), np.array([1.0, 1.0, 0.5])
    return SkillModel(replace(CONFIG, **changes), 3, 2, mean, std, fields, STATE_NAMES)


@pytest.mark.parametrize("kind", PICTURE_ENCODERS)
@pytest.mark.parametrize("shape", [(32, 32, 3), (9, 70, 1)])
def test_encoder_takes_pixels_as_they_are_and_scales_them_itself(kind: str, shape: tuple[int, ...]) -> None:
    encoder = PictureEncoder(kind, shape, features=5, width=4).eval()
    seen = []
    encoder.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    shades = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, *shape)
    assert encoder(shades).shape == (2, 5)
    assert torch.equal(seen[0], torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1).expand(2, shape[2], *shape[:2]))


@pytest.mark.parametrize("kind", PICTURE_ENCODERS)
def test_features_tell_where_something_is(kind: str) -> None:
    encoder = PictureEncoder(kind, (16, 16, 1), features=5, width=4).eval()
    dots = torch.zeros(2, 16, 16, 1, dtype=torch.uint8)
    dots[0, 3, 4], dots[1, 12, 4] = 255, 255
    assert (encoder(dots)[0] - encoder(dots)[1]).abs().max() > 1e-4


def test_picture_that_is_too_small_is_refused() -> None:
    with pytest.raises(ConfigError, match="a picture has 7 x 20 pixels, expected at least 8 x 8"):
        PictureEncoder("pyramid", (7, 20, 3), 4, 4)


def test_shifted_pictures_are_moved_as_a_whole_and_repeat_their_border() -> None:
    rows, columns = torch.meshgrid(torch.arange(6), torch.arange(7), indexing="ij")
    places = torch.stack((rows, columns), dim=-1).to(torch.uint8).expand(50, 6, 7, 2)
    moved = shifted(places, 2, torch.Generator().manual_seed(0))
    assert moved.dtype == torch.uint8
    offsets = moved[:, 3, 3].int() - 3  # in the middle no border is met
    assert set(offsets.flatten().tolist()) == {-2, -1, 0, 1, 2}
    for picture, (down, right) in zip(moved, offsets, strict=True):
        assert torch.equal(picture[..., 0].int(), (rows + down).clamp(0, 5))
        assert torch.equal(picture[..., 1].int(), (columns + right).clamp(0, 6))


def test_features_are_those_of_each_field_in_order() -> None:
    features = FieldFeatures((FORCE, EYE), CONFIG, {"force": (np.array([1.0, 2.0]), np.array([2.0, 4.0]))}).eval()
    seen = torch.from_numpy(pictures(2))
    found = features(torch.tensor([[3.0, 2.0], [1.0, 10.0]]), seen)
    assert found.shape == (2, features.size) and features.size == 2 + 4
    assert torch.equal(found[:, :2], torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
    assert torch.equal(found[:, 2:], features.parts[1](seen))


def test_model_whose_prior_sees_the_state_alone_has_the_weights_of_one_without_fields() -> None:
    plain, asked = make_model(), make_model(state_field(STATE_NAMES, ("rad", "m", "rad")))
    assert plain.state_dict().keys() == asked.state_dict().keys()
    assert all(torch.equal(value, asked.state_dict()[name]) for name, value in plain.state_dict().items())
    assert not [name for name in plain.state_dict() if name.startswith("eyes")]


@pytest.mark.parametrize("kind", PICTURE_ENCODERS)
def test_prior_sees_its_fields_and_nothing_else(kind: str) -> None:
    model = make_model(DOOR, EYE, picture_encoder=kind).eval()
    state, fields = torch.randn(3, 3), {"eye": torch.from_numpy(pictures(3)), "force": torch.ones(3, 2)}
    mean = model.prior_at(state, fields).components.mean
    assert torch.equal(mean, model.prior_at(state * torch.tensor([9.0, -7.0, 1.0]), fields).components.mean)
    assert not torch.allclose(mean, model.prior_at(state + 1.0, fields).components.mean)
    other = {**fields, "eye": torch.from_numpy(pictures(3, seed=9))}
    assert not torch.allclose(mean, model.prior_at(state, other).components.mean)


def test_vector_that_the_state_has_too_is_standardised_like_it() -> None:
    model = make_model(DOOR, EYE)
    assert model.eyes is not None
    assert torch.equal(model.eyes.parts[0](torch.tensor([[3.0]])), torch.tensor([[2.0]]))  # (3 - 2) / 0.5


def test_values_of_the_prior_are_in_its_order() -> None:
    model = make_model(EYE, DOOR)
    values = model.prior_values(torch.tensor([[1.0, 2.0, 3.0]]), {"eye": torch.from_numpy(pictures(1))})
    assert list(values) == ["eye", "door_alone"] and values["door_alone"].tolist() == [[3.0]]
    assert list(make_model().prior_values(torch.zeros(1, 3), {})) == [STATE]


def test_training_standardises_vectors_by_the_training_episodes() -> None:
    training = SkillTraining(seeing_episodes(), CONFIG, TRAINING, prior_fields=(FORCE, EYE))
    assert training.model.eyes is not None
    standardise = training.model.eyes.parts[0]
    assert isinstance(standardise, Standardiser)
    np.testing.assert_allclose(standardise.mean, (5.0, -1.0), atol=0.6)
    np.testing.assert_allclose(1.0 / standardise.scale, (2.0, 0.5), rtol=0.3)


def test_training_with_moved_pictures_continues_to_the_last_bit() -> None:
    def begun() -> SkillTraining:
        config = replace(TRAINING, picture_shift=1)
        return SkillTraining(seeing_episodes(), CONFIG, config, prior_fields=(DOOR, EYE))

    whole = begun()
    reports = list(whole.run())
    half = begun()
    first = list(islice(half.run(), 4))
    state = half.state()
    again = begun()
    again.restore(state)
    assert [*first, *again.run()] == reports
    for name, value in whole.averaged_model.state_dict().items():
        assert torch.equal(value, again.averaged_model.state_dict()[name]), name


def test_prior_learns_from_a_picture_what_the_state_does_not_tell() -> None:
    """Whether both joints go one way or the other is to be seen in the brightness alone."""
    metadata, episodes = replace(METADATA, more_fields=(EYE,)), []
    for seed in range(32):
        is_bright = seed % 2 == 0
        noise = np.random.default_rng(seed).integers(0, 100, (9, *EYE.shape))
        actions = np.full((8, 2), 0.8 if is_bright else -0.8)
        seen = (noise + (155 if is_bright else 0)).astype(np.uint8)
        episodes.append(make_episode(8, seed, metadata, actions=actions, fields={"eye": seen}))
    config = replace(TRAINING, steps=150, validation_every=150, validation_share=0.0, averaging=0.9)
    divergence = {}
    for fields in ((), (EYE,)):
        training = SkillTraining(episodes, replace(CONFIG, prior_dropout=0.0), config, prior_fields=fields)
        for _ in training.run():
            pass
        divergence[fields] = reconstruction_report(training.averaged_model.eval(), episodes).prior_divergence
    assert divergence[(EYE,)] < 0.6 * divergence[()]
